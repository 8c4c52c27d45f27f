"""What commands say of quarantine is what its rows say, whatever is in them and however many there are."""

import csv
import hashlib
import tempfile
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.errors import LONGEST
from etl.operations import decisions, quarantine, rejected
from etl.operations.rejected import Selection, is_edited
from etl.operations.spreadsheet import same_line_ends, unguarded
from etl.project import Project
from etl.stages.lake.corrections import Correction, add_decision, read_corrections, record_hash
from etl.stages.lake.layout import BESIDE, REJECTS
from etl.stages.lake.place import Reject
from etl.stages.lake.rejects import REFUSED_RULE
from etl.stages.lake.streamed import write_streamed
from tests.support import tiny

TEXT = st.text(st.sampled_from("a,é\"'=1\r\n\0\u2028"), max_size=8) | st.just("x" * (LONGEST + 1))
REJECT = st.builds(
    Reject,
    file=st.sampled_from(["sales/a.csv", "sales/ü,\n.csv"]),
    line=st.integers(1, 9),
    rule=st.sampled_from(["record", "id.dtype", REFUSED_RULE]),
    column_name=st.none() | st.just("id"),
    message=TEXT | st.builds("{}{}{}".format, TEXT, st.just(BESIDE), TEXT),
    text=TEXT,
    raw=st.none() | st.binary(max_size=3),
    discarded=st.none() | st.just("a test"),
    fault=st.none() | st.just("record"),
)
DAYS = st.dictionaries(st.dates(date(2024, 3, 1), date(2024, 3, 3)), st.lists(REJECT, min_size=1, max_size=6))
SELECTIONS = st.builds(
    Selection,
    date=st.none() | st.dates(date(2024, 3, 1), date(2024, 3, 3)),
    rule=st.sampled_from(["", "record", REFUSED_RULE]),
    lines=st.lists(st.integers(1, 9), max_size=3),
)
Days = dict[date, list[Reject]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return tiny.project(tmp_path_factory.mktemp("shop"), raw={})


def quarantined(shop: Project, folder: str, days: Days) -> Project:
    """Return the project with these records in quarantine, in data elsewhere."""
    project = tiny.at(shop, Path(folder))
    for day, rejects in days.items():
        file = project.quarantine / f"sales/delivery_date={day}/data.parquet"
        file.parent.mkdir(parents=True)
        write_streamed({"source": "sales", "date": day, "run_id": "run-1"}, [rejects], file, {})
    return project


def brute_force(days: Days, selection: Selection) -> list[dict[str, Any]]:
    """Return the selected records as they are in quarantine, in the order in which they are shown."""
    rows = [{"date": day, **reject._asdict()} for day, rejects in days.items() for reject in rejects]
    rows = [row for row in rows if selection.date in (None, row["date"])]
    rows = [row for row in rows if not selection.rule or selection.rule in (row["rule"], row["fault"])]
    rows = [row for row in rows if not selection.lines or row["line"] in selection.lines]
    return sorted(
        rows,
        key=lambda row: (
            row["rule"] == REFUSED_RULE and row["fault"] is None,
            row["date"],
            row["file"].encode(),
            row["line"],
        ),
    )


def called(row: dict[str, Any]) -> str:
    """Return what a record is called in exported files, those of earlier versions too."""
    place = ["sales", str(row["date"]), row["file"], str(row["line"])]
    whole = "\0".join([*place, record_hash(row["text"], row["raw"])]).encode()
    text = same_line_ends(row["text"].rstrip("\r\n")).encode()
    return f"r{hashlib.sha256(whole).hexdigest()[:16]}-{hashlib.sha256(text).hexdigest()[:8]}"


def places(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return where records are; among those of one place there is no order."""
    return [
        (row["rule"] == REFUSED_RULE and not row["fault"], row["date"], row["file"], row["line"]) for row in rows
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=DAYS, selection=SELECTIONS, limit=st.integers(1, 4))
def test_every_command_says_what_the_rows_say(shop: Project, days: Days, selection: Selection, limit: int) -> None:
    expected = brute_force(days, selection)
    with tempfile.TemporaryDirectory() as folder:
        project = quarantined(shop, folder, days)
        found = list(quarantine.records(project, "sales", selection))
        page = quarantine.first_records(project, "sales", selection, limit)

        assert places(found) == places(expected)
        columns = [*Reject._fields, "date"]
        assert Counter(tuple(row[name] for name in columns) for row in found) == Counter(
            tuple(row[name] for name in columns) for row in expected
        )
        assert sorted(row["record"] for row in found) == sorted(map(called, expected))
        assert places(page.rows) == places(expected[:limit])
        discarded = sum(row["discarded"] is not None for row in expected)
        assert (page.total, page.discarded) == (len(expected), discarded)
        refused = [row for row in expected if row["rule"] == REFUSED_RULE and row["discarded"] is None]
        reasons = Counter((row["date"], row["message"].partition(BESIDE)[0]) for row in refused)
        assert len(page.refusals) == len(reasons)
        counted = quarantine.counts(project, "sales")
        everything = brute_force(days, Selection())
        assert sum(row["records"] + row["discarded"] for row in counted) == len(everything)
        if len(expected) > discarded:
            file = Path(folder) / "e.csv"
            assert quarantine.export(project, "sales", selection, file) == len(expected) - discarded
            exported([row for row in expected if row["discarded"] is None], file)


def exported(rows: list[dict[str, Any]], file: Path) -> None:
    """Hold a file to have these records, none of them edited."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        found = list(csv.DictReader(lines))
    assert [int(row["line"]) for row in found] == [row["line"] for row in rows]
    texts = {called(row): row["text"] for row in rows}
    for cells in found:
        assert unguarded(cells["text"]) == texts[cells["record"]]
        assert not is_edited(cells["record"], unguarded(cells["text"]))


def test_an_export_takes_little_memory_and_more_if_its_records_do(
    shop: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Reject("sales/a.csv", 1, "record", None, "no number", "", None, None, None)
    rejects = [fault._replace(line=line, text=f"{line} {'x' * 2_000}") for line in range(1, 3_000)]
    project = quarantined(shop, str(tmp_path), {date(2024, 3, 1): rejects[::-1]})
    for limit in ("256MB", "1MB"):
        file = tmp_path / f"{limit}.csv"
        monkeypatch.setattr(quarantine, "_LITTLE", limit)
        assert quarantine.export(project, "sales", Selection(), file) == len(rejects)
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = list(csv.DictReader(lines))
        assert [int(row["line"]) for row in rows] == list(range(1, 3_000))


def test_of_an_endless_record_only_the_beginning_is_fetched(shop: Project, tmp_path: Path) -> None:
    long = Reject("sales/a.csv", 2, "record", None, "m" * 5_000, "é" * 1_000_000, None)
    project = quarantined(shop, str(tmp_path), {date(2024, 3, 1): [long]})
    (row,) = quarantine.first_records(project, "sales", Selection(), 9).rows
    assert row["text"] == "é" * LONGEST + "... (1,000,000 characters)"
    assert row["message"] == "m" * LONGEST + "... (5,000 characters)"
    assert row["column_name"] is None


def test_rows_are_fetched_page_by_page(shop: Project, tmp_path: Path) -> None:
    rejects = [Reject("sales/a.csv", line, "record", None, "", "x", None) for line in range(1, 2_502)]
    project = quarantined(shop, str(tmp_path), {date(2024, 3, 1): rejects})
    with rejected.opened(project, "sales") as con:
        found = rejected.rows(con, "select line from selected order by line")
        assert [line for (line,) in found] == list(range(1, 2_502))


@given(
    st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 9), st.just("ab"))),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip),
)
@settings(max_examples=25, deadline=None)
def test_one_decision_about_many_records_is_one_about_each(keys: list[tuple[str, int, str]], reason: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file, who = Path(folder) / "2024-03-01.jsonl", {"action": "discard", "reason": reason, "by": "ann"}
        add_decision(file, keys[:1], {**who, "reason": "before"}, Path(folder))
        add_decision(file, keys, who, Path(folder))
        expected = {key: Correction(file=key[0], line=key[1], sha256=key[2], **who) for key in keys}
        assert {item.key: item for item in read_corrections(file)} == expected


def test_what_becomes_of_decided_records_is_counted_by_their_names(shop: Project, tmp_path: Path) -> None:
    first, second, third = (Reject("sales/a.csv", line, "record", None, "", f"{line}", None) for line in (2, 3, 4))
    before = quarantined(shop, str(tmp_path / "before"), {date(2024, 3, 1): [first, second]})
    with rejected.opened(before, "sales") as con:
        decision = decisions._decision(con, "sales")
    after = {date(2024, 3, 1): [second._replace(rule="id.dtype", message="another"), third]}

    assert (decision.number, decision.days) == (2, [date(2024, 3, 1)])
    assert decision.still_there(quarantined(shop, str(tmp_path / "after"), after)) == (1, 2)


def test_a_table_without_files_has_the_columns_of_quarantine(shop: Project, tmp_path: Path) -> None:
    with rejected.opened(tiny.at(shop, tmp_path), "sales") as con:
        assert [name for name, *_ in con.execute("describe selected").fetchall()] == [*REJECTS, "record"]
