"""The report of good and bad nights, without a browser: what is said, and that nothing in it can run."""

import base64
import gzip
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigError, printable
from etl.ledger import Ledger
from etl.ledger.lock import locked
from etl.project import Project, load_project
from etl.reports.page import refresh, remove_reports, write_report
from etl.reports.page.data import report_data
from etl.reports.page.document import packed
from etl.stages.published import current, generations, rollback
from tests.support import reports, tiny
from tests.support.projects import environment


@pytest.fixture
def good(tmp_path: Path) -> Project:
    return tiny.once(tmp_path, reports.good)


@pytest.fixture
def bad(tmp_path: Path) -> Project:
    return tiny.once(tmp_path, reports.bad)


def data_of(html: str) -> Any:
    (packed,) = re.findall(r'<script type="text/plain" id="data">([^<]*)</script>', html)
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def test_a_bad_night_says_what_where_why_and_what_next(bad: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(bad.data)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type(usage)(10**12, 10**12 - 10**8, 10**8))

    said = reports.text_of(reports.page(bad))

    assert "Act on it The night failed: audits.no_pens found rows that must not be there." in said
    # what analysts see meanwhile
    assert "Analysts still see the warehouse of " in said
    # the delivery that is missing: what, since when
    assert "Late: sales since 2024-03-04." in said
    assert "late since 2024-03-04 (daily)" in said
    # the corrupt file: which, and why
    assert "Refused: stock 2024-03-05." in said
    assert "stock/2024-03-05.csv" in said
    assert "etl quarantine stock" in said
    # what failed, where, and what to type next
    assert "What failed, and what to do next Step audit" in said
    assert "Next: etl audits --failed" in said or "Next: etl audits" in said or "Next: etl sql --candidate" in said
    # the audit: on which rows, why they matter, and how to see all
    assert "pens are not sold any more" in said
    assert "pen 1" in said
    assert "etl audits audits.no_pens" in said
    # the disk
    assert "The disk is nearly full: " in said
    assert "100 MB free" in said
    # how to run only what failed
    assert "luigi --module etl Nightly Run only what failed and what waits for it" in said


def test_a_good_night_says_what_came_and_which_records_were_rejected(good: Project) -> None:
    said = reports.text_of(reports.page(good))

    assert "Look at it Published. 1 thing to look at. 1 record went to quarantine." in said
    assert "sales/2024-03-02.csv" in said
    assert "raw.sales id.dtype 1" in said
    assert "new or changed in raw.sales" in said or "raw.sales changed" in said


def test_personal_data_is_in_no_part_of_it(bad: Project) -> None:
    html = reports.page(bad)

    assert "example.com" not in html.replace("ann@example.com", "")
    assert "@example.com" not in json.dumps(data_of(html)).replace("ann@example.com", "")


def test_a_project_that_has_never_run_has_a_report(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, reports.CONTRACTS, reports.SQL, {})

    assert "Nothing has run yet." in reports.text_of(reports.page(project))


def test_definitions_that_cannot_be_read_are_said(good: Project) -> None:
    (good.sql / "marts/items.sql").write_text("selekt 1")

    said = reports.text_of(reports.page(good))

    assert "marts/items.sql" in said
    assert "Did everything come?" in said


def test_the_changes_are_those_of_the_last_two_generations(good: Project) -> None:
    found = data_of(reports.page(good))["changes"]

    assert [(item["source"], item["came"]) for item in found["inputs"]] == [("sales", 1)]
    assert {"n": "raw.sales", "how": "changed", "before": 2, "after": 3} in found["tables"]


def test_the_rows_of_a_table_are_those_that_are_published(bad: Project) -> None:
    assert data_of(reports.page(bad))["rows"] == {"raw.sales": 3, "raw.stock": 1, "marts.items": 2} | {
        "marts.overview": 2,
        "marts.stock": 1,
    }


def test_a_column_knows_where_its_values_come_from_and_what_filters_its_rows(good: Project) -> None:
    lineage = data_of(reports.page(good))["lineage"]

    assert lineage["v"]["marts.items"]["turnover"] == [[["staging.sales", "price"]], ["sum(price)"]]
    assert ["staging.sales", "price"] in lineage["f"]["marts.items"]


def test_it_may_load_nothing_and_names_no_address(bad: Project) -> None:
    html = reports.page(bad)

    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy and policy[1].startswith("default-src &#x27;none&#x27;; script-src &#x27;sha256-")
    assert "unsafe" not in policy[1]
    addresses = set(re.findall(r"https?://[^\s\"')]+", html))
    # of namespaces and of a licence, which nobody asks for anything
    assert {address for address in addresses if "www.w3.org" not in address} <= {
        "https://github.com/leeoniya/uPlot"
    }


def test_a_project_without_trainings_has_no_word_of_them(good: Project) -> None:
    assert "Learning" not in reports.text_of(reports.page(good))
    reports.train(good)
    assert "Learning" in reports.text_of(reports.page(good))


def test_of_many_long_trainings_the_newest_are_shown_with_as_much_of_their_curves_as_a_chart_shows(
    good: Project,
) -> None:
    before = len(reports.page(good))
    reports.train(good, trainings=120, steps=300)
    html = reports.page(good)
    (found,) = data_of(html)["learned"].values()

    # the champion is older than the newest hundred
    assert (found["all"], len(found["runs"])) == (120, 101)
    assert found["card"]["training"]["experiment_id"] == found["runs"][-1]["id"] == "0" * 16
    assert all(len(values) == 40 for run in found["runs"] for curve in run["c"].values() for values in curve)
    assert found["card"]["features"]["files"] == {"raw.sales": "sales/{date}.csv"}
    assert len(html) < before + 60_000


HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "]]><!--<script>window.hacked=1//",
    '" onmouseover="window.hacked = 1',
    "\u202egpj.exe\u2066\u200b\x1b[31m",
    "javascript:window.hacked=1",
    "${window.hacked=1} {{constructor.constructor('window.hacked=1')()}}",
]


def test_hostile_values_are_texts(tmp_path: Path) -> None:
    html = reports.page(tiny.once(tmp_path, hostile))

    before, after = html.split('<script type="text/plain" id="data">')
    tags = re.findall(r"<script[^>]*>", before) + re.findall(r"<script[^>]*>", after.split("</script>", 1)[1])
    # those of ours: they hold the hashes that the policy allows
    assert tags == ['<script id="layout">', "<script>"]
    assert "<img" not in before
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b]", html)
    said = reports.text_of(html)
    assert "<script>window.hacked = 1</script>" in said
    assert "\\u202egpj.exe" in said
    assert "\\u202egpj.exe" in json.dumps(data_of(html), ensure_ascii=False).replace("\\\\", "\\")


SEEN = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]) | st.sampled_from('\n\t\\"u0b'))


UNSEEN = "\x00\x08\x0c\x1b\x1f\x7f\x9b\xad\u061c\u200f\u2028\u202e\u2069\ufeff\U000e0041"


@given(seen=SEEN, unseen=st.sampled_from(UNSEEN))
def test_what_cannot_be_seen_is_shown_as_its_code_and_all_else_as_it_is(seen: str, unseen: str) -> None:
    def read(text: str) -> str:
        return str(json.loads(gzip.decompress(base64.b64decode(packed({"a": text}))))["a"])

    assert read(seen) == seen
    assert read(f"{seen}{unseen}{seen}") == f"{seen}{printable(unseen)}{seen}"


def hostile(root: Path) -> Project:
    """Return a project after a night whose values, names, comments and SQL would run if anything could."""
    rows = "".join(f'{number},"{text.replace(chr(34), chr(34) * 2)}",-1,\n' for number, text in enumerate(HOSTILE))
    quoted = " union all ".join(f"select {tiny_literal(text)} as item" for text in HOSTILE)
    sql = {
        **reports.SQL,
        "marts/hostile.sql": f"-- owner: {HOSTILE[0]}\n-- tags: {HOSTILE[2]}\n-- {HOSTILE[1]}\n"
        f'select item as "{HOSTILE[1].replace(chr(34), "")}" from ({quoted})',
        "audits/hostile.sql": f"-- warn: {HOSTILE[1]} {HOSTILE[5]}\nselect * from marts.hostile",
    }
    contracts = reports.CONTRACTS.replace("the number on the receipt", HOSTILE[1])
    project = tiny.project(root, contracts, sql, {"sales/2024-03-01.csv": reports.HEADER + rows})
    reports.night(project, tiny.DAY)
    return project


def tiny_literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_the_link_is_switched_with_the_generation(good: Project) -> None:
    ledger = Ledger(good.ledger)
    assert write_report(good, ledger) == good.report
    newest = current(good)
    assert good.report.resolve() == (good.generations / str(newest) / "report.html").resolve()

    before = rollback(good, ledger, by="ann")
    assert not good.report.exists()
    refresh(good, ledger)

    assert good.report.resolve().parent.name == before
    assert "Rolled back from" in reports.text_of(good.report.read_text())
    assert "olled back from" not in (good.generations / str(newest) / "report.html").read_text()


def test_before_anything_is_published_it_is_a_file_which_the_link_replaces(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, reports.CONTRACTS, reports.SQL, reports.RAW, "report = yes\n")
    write_report(project, Ledger(project.ledger))
    assert not project.report.is_symlink()

    reports.night(project, tiny.DAY)
    write_report(project, Ledger(project.ledger))

    assert project.report.is_symlink()
    assert len(generations(project)) == 1


def test_a_report_that_cannot_be_written_is_said_and_fails_nothing(
    good: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("etl.reports.page.place.report_data", lambda *_: 1 / 0)

    refresh(good, Ledger(good.ledger))

    assert "the report could not be written: division by zero. Once the cause is gone: etl report" in caplog.text


def test_only_a_project_that_asks_for_it_has_runs_write_it(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, settings="")

    refresh(project, Ledger(project.ledger))

    assert not project.report.exists()


def test_the_setting_is_yes_or_no(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="report = always is neither yes nor no"):
        tiny.project(tmp_path, settings="report = always\n")


def test_no_report_is_left_when_all_are_removed(good: Project) -> None:
    written = write_report(good, Ledger(good.ledger)).resolve()
    # what a process that was killed has left
    written.with_name(".report.html.new").write_text("half of one")

    remove_reports(good)

    assert not good.report.is_symlink()
    assert not list(good.data.rglob("*report.html*"))


def test_the_report_of_a_project_whose_night_is_under_way_needs_nothing_of_the_night(good: Project) -> None:
    with locked(good, "a run"):
        (good.scratch / "report.html").mkdir(parents=True)

        assert write_report(good, Ledger(good.ledger, is_reading=True)).is_file()


def test_a_process_that_writes_it_imports_neither_pandas_nor_duckdb(good: Project) -> None:
    report_data(good, Ledger(good.ledger))
    code = (
        "import sys; from etl.cli.main import cli; cli(['report'], standalone_mode=False); "
        "print([name for name in ('pandas', 'duckdb', 'pandera', 'pyarrow', 'numpy') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=good.root, env=environment(), capture_output=True, text=True, check=False)

    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr
    assert load_project(good.root).report.is_file()


@pytest.mark.parametrize("there", ["", "mine", "<!doctype html><p>etl report"])
def test_only_a_report_is_overwritten(good: Project, there: str) -> None:
    file = good.root / "mine.html"
    file.write_text(there)

    with pytest.raises(ConfigError, match=r"mine.html exists already and is not a report.* Name another file"):
        write_report(good, Ledger(good.ledger), file)
    assert file.read_text() == there

    file.unlink()
    for _ in range(2):
        assert write_report(good, Ledger(good.ledger), file) == file


def test_a_link_is_not_written_through(good: Project) -> None:
    raw = next(file for file in good.raw.rglob("*") if file.is_file())
    (good.root / "link.html").symlink_to(raw)
    before = raw.read_bytes()

    with pytest.raises(ConfigError, match="is not a report"):
        write_report(good, Ledger(good.ledger), good.root / "link.html")
    assert raw.read_bytes() == before


@pytest.mark.parametrize(
    ("zone", "day", "begun"),
    [
        ("UTC", "2024-03-09", "2024-03-09 19:10 UTC"),
        ("Asia/Tokyo", "2024-03-10", "2024-03-10 04:10 Asia/Tokyo"),
        # the hour after the clocks were put forward
        ("America/New_York", "2024-03-10", "2024-03-10 03:30 America/New_York"),
    ],
)
def test_days_and_times_are_those_of_the_project(good: Project, zone: str, day: str, begun: str) -> None:
    (good.root / "luigi.cfg").write_text(f"[etl]\ntimezone = {zone}\n")
    ledger = Ledger(good.ledger)
    at = "2024-03-10T07:30" if zone.startswith("America") else "2024-03-09T19:10"
    (last, *_) = ledger.runs()
    ledger.write_run(replace(last, started_at=f"{at}:00.000000+00:00", outcome="failed"))
    ledger.change(("update generations set published_at = ?", [(f"{at}:30.000000+00:00",)]))

    said = reports.text_of(reports.page(load_project(good.root)))

    assert f"begun {begun}" in said
    assert f"Analysts still see the warehouse of {day}." in said
    assert f"Published {day} {begun[11:]}" in said
