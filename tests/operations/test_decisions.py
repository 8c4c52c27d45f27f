"""Replay and discard: what is decided about quarantined records, and what the next night makes of it."""

import codecs
import csv
import io
import json
import os
import re
from datetime import date
from pathlib import Path

import pytest

from etl.errors import AlreadyRunning, ConfigError
from etl.ledger import Ledger
from etl.ledger.lock import take_lock
from etl.operations import decisions, quarantine
from etl.operations.rejected import Selection
from etl.plan.forecast import forecast
from etl.project import Project
from etl.reports.summary import summary
from tests.support import tiny

DIRTY = "id,item\n8,book\nfour,pen\n5,cap,extra\n"
FILE = "sales/2024-03-04.csv"
LATER = date(2024, 3, 4)
ALL = Selection()


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """A project with two records to reject; published."""
    return tiny.once(tmp_path / "shop", rejecting)


def rejecting(root: Path) -> None:
    tiny.night(tiny.project(root, raw={**tiny.SALES, FILE: DIRTY}))


def edited(project: Project, file: Path, **texts: str) -> Path:
    """Export quarantine and save it with other texts, by line: `line_3=...`."""
    quarantine.export(project, "sales", ALL, file)
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, quarantine.COLUMNS)
        writer.writeheader()
        writer.writerows({**row, "text": texts.get(f"line_{row['line']}", row["text"])} for row in rows)
    return file


def in_quarantine(project: Project) -> list[tuple[int, str, str | None]]:
    found = quarantine.records(project, "sales", ALL)
    return [(row["line"], row["rule"], row["discarded"]) for row in found]


def test_edited_texts_are_loaded_by_the_next_night_and_only_by_their_partition(
    shop: Project, tmp_path: Path
) -> None:
    decision = decisions.replace_texts(shop, "sales", edited(shop, tmp_path / "e.csv", line_3="4,pen"))
    night = tiny.night(shop)

    assert decision.days == [LATER]
    assert decision.still_there(shop) == (0, 1)
    assert [str(key) for key in night.stale if key.step == "extract"] == ["extract sales 2024-03-04"]
    assert tiny.published(shop, "select id, item, _file from raw.sales where id = 4") == [(4, "pen", FILE)]
    assert in_quarantine(shop) == [(4, "record", None)]
    counts = "select records, rows, rejected, discarded from etl.partitions where date = '2024-03-04'"
    assert tiny.published(shop, counts) == [(3, 2, 1, 0)]
    assert not tiny.night(shop).stale


@pytest.mark.parametrize(
    "lost", [["ledger.sqlite", "warehouse"], ["lake", "quarantine"], ["ledger.sqlite", "lake", "warehouse"]]
)
def test_decisions_hold_whatever_is_lost_and_made_anew(shop: Project, tmp_path: Path, lost: list[str]) -> None:
    decisions.replace_texts(shop, "sales", edited(shop, tmp_path / "e.csv", line_3="4,pen"))
    decisions.discard(shop, "sales", Selection(lines=[4]), "a test")
    tiny.night(shop)
    for name in lost:
        (shop.data / name).rename(tmp_path / name)
    night = tiny.night(shop)

    assert ("lake" not in lost) == (not night.stale_partitions("sales"))
    assert tiny.published(shop, "select id from raw.sales order by id") == [(1,), (2,), (3,), (4,), (8,)]
    assert in_quarantine(shop) == [(4, "record", "a test")]
    query = "select name from etl.checks where name like '%nothing_lost' and passed"
    assert tiny.published(shop, query) == [("raw.sales.nothing_lost",)]
    assert not tiny.night(shop).stale


def test_a_discarded_record_is_published_with_its_reason(shop: Project) -> None:
    decisions.discard(shop, "sales", Selection(rule="record"), "a test")
    tiny.night(shop)

    rejects = "select line, discarded from etl.rejects order by line"
    assert tiny.published(shop, rejects) == [(3, None), (4, "a test")]
    (line,) = (shop.corrections / "sales/2024-03-04.jsonl").read_text().splitlines()
    assert json.loads(line) | {"by": "", "at": "", "sha256": ""} == {
        "file": FILE,
        "line": 4,
        "sha256": "",
        "action": "discard",
        "text": "",
        "reason": "a test",
        "by": "",
        "at": "",
    }


def test_a_corrected_contract_takes_the_record_and_makes_its_correction_stale(shop: Project) -> None:
    decisions.discard(shop, "sales", Selection(lines=[3]), "a test")
    contracts = shop.contracts / "all.py"
    contracts.write_text(contracts.read_text().replace("id: int = pa.Field(unique=True)", "id: str"))
    assert [row["why"] for row in quarantine.stale(shop)] == ["it waits for the next run"]

    tiny.night(shop)

    assert ("four",) in tiny.published(shop, "select id from raw.sales")
    (stale,) = quarantine.stale(shop)
    assert stale == {
        "source": "sales",
        "date": "2024-03-04",
        "record": f"{FILE}, line 3",
        "action": "discard",
        "why": "its record keeps the contract",
    }
    assert planned(shop) == [
        "sales: 1 decision about 2024-03-04 has no effect any more: its record keeps the contract: "
        "etl quarantine list"
    ]


def planned(project: Project) -> list[str]:
    """Return what `etl plan` notes."""
    ledger = Ledger(project.ledger)
    return list(forecast(tiny.plan(project), ledger).notes)


def test_a_plan_tells_which_decisions_lose_their_effect(shop: Project) -> None:
    decisions.discard(shop, "sales", Selection(lines=[3]), "a test")
    assert planned(shop) == []  # it is new
    tiny.night(shop)
    assert planned(shop) == []

    contracts = shop.contracts / "all.py"
    contracts.write_text(contracts.read_text().replace("id: int = pa.Field(unique=True)", "id: str"))
    (note,) = planned(shop)
    assert note.startswith(
        "sales: 1 decision about 2024-03-04 has to be applied again (changed contract or source)"
    )

    (shop.raw / FILE).rename(shop.raw / FILE.replace(".csv", "-b.csv"))
    contracts.write_text(contracts.read_text().replace("sales/{date}.csv", "sales/{date}*.csv"))
    (note,) = planned(shop)
    assert (
        "1 decision about 2024-03-04 has no effect: the file is gone or renamed, it is sales/2024-03-04-b.csv"
        in note
    )
    tiny.night(shop)
    (stale,) = quarantine.stale(shop)
    assert stale["why"] == "its file is gone or renamed; the delivery is sales/2024-03-04-b.csv"


def test_rows_that_are_not_in_quarantine_are_named_and_nothing_is_taken(shop: Project, tmp_path: Path) -> None:
    file = edited(shop, tmp_path / "e.csv", line_3="4,pen", line_4="5,cap")
    records = [row["record"] for row in quarantine.records(shop, "sales", ALL)]
    file.write_text(file.read_text().replace(records[1], "r0-0"))
    with pytest.raises(ConfigError, match=rf"row 3 \(sales 2024-03-04, {FILE}, line 4\): edited, but no such rec"):
        decisions.replace_texts(shop, "sales", file)
    assert not shop.corrections.exists()


def test_a_record_that_was_moved_cannot_be_moved_again(shop: Project, tmp_path: Path) -> None:
    file = edited(shop, tmp_path / "e.csv", line_3="4,pen")
    decisions.replace_texts(shop, "sales", file)
    tiny.night(shop)
    with pytest.raises(ConfigError, match=r"row 2 .* no such record of sales is in quarantine \(any more\)"):
        decisions.replace_texts(shop, "sales", file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a;b\n1;2\n", "has no column source, date"),
        (None, "no text differs from the one in quarantine"),
        (b"\xff\xfe", "is not CSV in UTF-8"),
    ],
)
def test_a_file_that_says_nothing_is_refused(
    shop: Project, tmp_path: Path, content: str | bytes | None, message: str
) -> None:
    file = edited(shop, tmp_path / "e.csv")
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=message):
        decisions.replace_texts(shop, "sales", file)


def test_nothing_is_decided_while_a_run_is_under_way(shop: Project) -> None:
    lock = take_lock(shop, "a-run")
    try:
        with pytest.raises(AlreadyRunning, match="run a-run"):
            decisions.discard(shop, "sales", ALL, "a test")
    finally:
        os.close(lock)
    assert not shop.corrections.exists()


def test_a_file_that_changed_or_is_gone_is_decided_about_when_the_night_took_it(shop: Project) -> None:
    tiny.deliver(shop, {FILE: DIRTY + "6,new\n"})
    with pytest.raises(ConfigError, match="changed since these records were rejected"):
        decisions.discard(shop, "sales", ALL, "a test")
    (shop.raw / FILE).unlink()
    with pytest.raises(ConfigError, match=r"is not in raw/ any more, .* Have it delivered again"):
        decisions.replay(shop, "sales", ALL)


def test_a_withdrawn_delivery_makes_its_corrections_stale_until_it_comes_back(shop: Project) -> None:
    decisions.discard(shop, "sales", ALL, "a test")
    (shop.raw / FILE).unlink()
    tiny.night(shop)
    assert {row["why"] for row in quarantine.stale(shop)} == {"its delivery is refused, or gone from raw/"}

    tiny.deliver(shop, {FILE: DIRTY})
    tiny.night(shop)
    assert quarantine.stale(shop) == []
    assert [row[2] for row in in_quarantine(shop)] == ["a test", "a test"]


def test_what_is_selected_must_be_there_and_be_one_file_for_a_line(shop: Project) -> None:
    with pytest.raises(ConfigError, match="sales has no records of rule nope in quarantine"):
        decisions.replay(shop, "sales", Selection(rule="nope"))
    with pytest.raises(ConfigError, match=r"There is no source nope\. There are: sales"):
        decisions.discard(shop, "nope", ALL, "a test")
    tiny.deliver(shop, {"sales/2024-03-05.csv": "id,item\n7,hat\nx,y\n"})
    tiny.night(shop)
    with pytest.raises(ConfigError, match=r"Line 3 is in more than one file: 2024-03-04 sales/.*, 2024-03-05"):
        decisions.discard(shop, "sales", Selection(lines=[3]), "a test")
    with pytest.raises(ConfigError, match="Give a reason with --reason"):
        decisions.discard(shop, "sales", ALL, " ")


def test_a_refused_partition_is_discarded_only_by_its_own_rule(shop: Project) -> None:
    tiny.deliver(shop, {FILE: "id,article\n3,book\n4,pen\n"})
    with pytest.raises(Exception, match="is refused: column 'item' of the contract is missing"):
        tiny.night(shop)
    with pytest.raises(
        ConfigError, match=r"refused as a whole: 2 records, .* add --rule partition.refused --date"
    ):
        decisions.discard(shop, "sales", ALL, "a test")

    decisions.discard(shop, "sales", Selection(date=LATER, rule="partition.refused"), "sent by mistake")
    tiny.night(shop)

    counts = "select records, rows, rejected, discarded from etl.partitions where date = '2024-03-04'"
    assert tiny.published(shop, counts) == [(2, 0, 0, 2)]
    assert in_quarantine(shop) == [
        (2, "partition.refused", "sent by mistake"),
        (3, "partition.refused", "sent by mistake"),
    ]
    tiny.deliver(shop, {FILE: "id,item\n3,book\n4,pen\n"})
    tiny.night(shop)
    assert tiny.published(shop, counts) == [(2, 2, 0, 0)]


def test_a_record_that_is_no_text_is_known_by_its_bytes(shop: Project, tmp_path: Path) -> None:
    tiny.deliver(shop, {FILE: b"id,item\n3,book\n4,caf\xe9\n5,caf\xe8\n"})
    tiny.night(shop)
    decisions.discard(shop, "sales", Selection(lines=[4]), "a test")
    tiny.night(shop)
    decisions.replace_texts(shop, "sales", edited(shop, tmp_path / "e.csv", line_3="4,caf\u00e9"))
    tiny.night(shop)

    assert tiny.published(shop, "select id, item from raw.sales where id > 3") == [(4, "caf\u00e9")]
    assert in_quarantine(shop) == [(4, "record", "a test")]


def test_of_several_files_of_a_date_one_can_be_named(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace("sales/{date}.csv", "sales/{date}-*.csv")
    files = {f"sales/2024-03-04-{n}.csv": f"id,item\n{n},book\nx,pen\n" for n in (1, 2)}
    project = tiny.project(tmp_path / "shop", contracts, raw=files)
    tiny.night(project)
    decisions.discard(project, "sales", Selection(file="sales/2024-03-04-2.csv", lines=[3]), "a test")
    tiny.night(project)
    decisions.replace_texts(project, "sales", edited(project, tmp_path / "e.csv", line_3="3,pen"))
    tiny.night(project)

    rows = "select id, _file[-5:-5] from raw.sales order by id"
    assert tiny.published(project, rows) == [(1, "1"), (2, "2"), (3, "1")]


PERSONAL = tiny.CONTRACTS.replace(
    "item: str = pa.Field(nullable=True)", 'item: str = pa.Field(metadata={"pii": "partial"})'
)


def test_masked_records_can_be_discarded_but_not_edited(tmp_path: Path) -> None:
    project = tiny.project(tmp_path / "shop", PERSONAL, raw={FILE: DIRTY})
    tiny.night(project)
    with pytest.raises(ConfigError, match=r"sales has personal data \(item\): .* corrected, or discard"):
        decisions.replace_texts(project, "sales", tmp_path / "e.csv")

    decisions.discard(project, "sales", Selection(rule="id.dtype"), "a test")
    tiny.night(project)

    assert in_quarantine(project) == [(3, "id.dtype", "a test"), (4, "record", None)]
    assert "pen" not in str(list(quarantine.records(project, "sales", ALL)))


SNAPSHOT = tiny.CONTRACTS.replace("sales/{date}.csv", "sales.csv")


def test_decisions_about_a_snapshot_hold_for_the_same_record_of_the_next(tmp_path: Path) -> None:
    project = tiny.project(tmp_path / "shop", SNAPSHOT, raw={"sales.csv": "id,item\nx,pen\n"})
    tiny.night(project, date(2024, 3, 1))
    decisions.discard(project, "sales", ALL, "a test")
    tiny.night(project, date(2024, 3, 2))
    assert in_quarantine(project) == [(2, "id.dtype", "a test")]
    assert tiny.published(project, "select date, discarded from etl.partitions") == [(date(2024, 3, 1), 1)]

    tiny.deliver(project, {"sales.csv": "id,item\nx,pen\n2,cap\n"})
    tiny.night(project, date(2024, 3, 3))
    query = "select date, rows, rejected, discarded from etl.partitions"
    assert tiny.published(project, query) == [(date(2024, 3, 3), 1, 0, 1)]


#: Texts that a spreadsheet bends, or would run: each is a record of its own that is rejected.
BENT = ["x,Köln", "=1+1,pen", "-x,@y", "y,'quoted'", '"z","a\r\nb"', "007,pen,cap"]


def saved_by_a_spreadsheet(file: Path, **texts: str) -> None:
    """Save an exported file as spreadsheets do: UTF-8 only by its mark, other dates, line feeds alone."""
    content = file.read_bytes()
    encoding = "utf-8-sig" if content.startswith(codecs.BOM_UTF8) else "cp1252"
    rows = list(csv.DictReader(io.StringIO(content.decode(encoding), newline="")))
    for row in rows:
        assert not re.match(r"[=+\-@\t\r]", row["text"])
        row["date"] = f"{date.fromisoformat(row['date']):%d.%m.%Y}"
        row["text"] = texts.get(f"line_{row['line']}", row["text"].replace("\r\n", "\n"))
    with file.open("w", newline="", encoding="utf-8-sig") as out:
        writer = csv.DictWriter(out, quarantine.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def bent(tmp_path: Path) -> Project:
    """A project with records that spreadsheets bend in quarantine."""
    contracts = tiny.CONTRACTS.replace('.csv")', '.csv", max_reject_ratio=1)')
    made = tiny.project(tmp_path / "bent", contracts, raw={FILE: "\n".join(["id,item", *BENT, ""])})
    tiny.night(made)
    return made


def test_a_spreadsheet_bends_nothing_and_only_what_was_edited_counts(bent: Project, tmp_path: Path) -> None:
    quarantine.export(bent, "sales", ALL, tmp_path / "e.csv")
    saved_by_a_spreadsheet(tmp_path / "e.csv")
    with pytest.raises(ConfigError, match="no text differs"):
        decisions.replace_texts(bent, "sales", tmp_path / "e.csv")

    quarantine.export(bent, "sales", ALL, tmp_path / "f.csv")
    saved_by_a_spreadsheet(tmp_path / "f.csv", line_2="1,Köln", line_6='"6","a\nc"')
    decision = decisions.replace_texts(bent, "sales", tmp_path / "f.csv")
    tiny.night(bent)

    found = tiny.published(bent, "select id, item from raw.sales order by id")
    assert found == [(1, "Köln"), (6, "a\r\nc")]
    assert decision.still_there(bent) == (0, 4)


def test_rows_that_nobody_edited_may_have_gone_meanwhile(bent: Project, tmp_path: Path) -> None:
    quarantine.export(bent, "sales", ALL, tmp_path / "e.csv")
    decisions.discard(bent, "sales", Selection(lines=[3]), "a test")
    tiny.night(bent)

    saved_by_a_spreadsheet(tmp_path / "e.csv", line_2="1,Köln")
    decisions.replace_texts(bent, "sales", tmp_path / "e.csv")
    tiny.night(bent)

    assert tiny.published(bent, "select id, item from raw.sales") == [(1, "Köln")]


def test_a_decision_that_has_no_effect_any_more_is_told_by_the_night(shop: Project) -> None:
    decisions.discard(shop, "sales", Selection(lines=[3]), "a test")
    tiny.night(shop)
    contracts = shop.contracts / "all.py"
    contracts.write_text(contracts.read_text().replace("id: int = pa.Field(unique=True)", "id: str"))
    planned = tiny.night(shop)
    ledger = Ledger(shop.ledger)
    run = next(run for run in ledger.runs() if run.run_id == planned.run_id)
    said = list(summary(planned, ledger, run, ledger.receipts()))
    assert any("sales: 1 decision about sales/2024-03-04.csv without effect any more" in line for line in said)
