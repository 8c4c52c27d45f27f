"""Each question of a morning has one command in docs/nightly.md, and that command answers it."""

import json
import re
from datetime import date
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.errors import AuditError, EtlError
from etl.plan import Scope
from etl.project import Project
from etl.run import steps
from etl.run.active import active_run, finish_runs, new_run_id
from tests.support import tiny
from tests.support.pages import ROOT

#: What the answer of each command names, in the project below.
ANSWERS = {
    "etl status": ["sales", "2024-03-08", "late since 2024-03-09"],
    "etl show": [
        r"run +\S+ of 2024-03-10: under way",
        r"extract sales \(running\)",
        "waiting: publish. It waits for .*audit",
    ],
    "etl show failed": ["of 2024-03-09: failed", "audits.dear found 1 offending row", "skipped: publish"],
    "etl schedule show": ["No schedule is installed. To install one: etl schedule install"],
    "etl status sales": ["sales: missing 2024-03-03", "sales: missing 2024-03-09"],
    "etl audits --failed": ["audits.dear\terror\tfailed\t1", "audits.dear: .*gold"],
    "etl diff": ["marts.items", r"\+ item = cup, sales = 4"],
    "etl run": [],
}
CONTRACTS = tiny.CONTRACTS.replace('files="sales/{date}.csv"', 'files="sales/{date}.csv", every="day"')
SQL = {**tiny.SQL, "audits/dear.sql": "-- fail: gold is dear\nselect item from raw.sales where item = 'gold'"}


def questions() -> dict[str, str]:
    """Return the commands of the page's table, with the question that each one answers."""
    text = (ROOT / "docs" / "nightly.md").read_text()
    table = text.partition("| question | command |")[2].partition("\n\n")[0]
    return {
        command: question for question, command in re.findall(r"^\| (.+\?) \| `(.+)` \|$", table, re.MULTILINE)
    }


def night(project: Project, last: date) -> None:
    run = active_run(project.identity, new_run_id(), Scope(last), is_whole=True)
    try:
        tiny.work(run)
    except EtlError as error:
        steps.failed(error, run, "AuditedWarehouse", ())
    finally:
        finish_runs()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project after two nights that published, and one whose audit failed."""
    return tiny.once(tmp_path / "morning", make)


def make(root: Path) -> None:
    project = tiny.project(root, CONTRACTS, SQL)
    night(project, date(2024, 3, 2))
    days = {f"sales/2024-03-0{day}.csv": f"id,item\n{day},cup\n" for day in (4, 5, 6, 7)}
    tiny.deliver(project, days)
    night(project, date(2024, 3, 7))
    tiny.deliver(project, {"sales/2024-03-08.csv": "id,item\n9,gold\n"})
    night(project, date(2024, 3, 9))


@pytest.mark.parametrize("command", [command for command in ANSWERS if command not in ("etl run", "etl show")])
def test_the_command_answers(project: Project, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    found = CliRunner().invoke(cli, command.split()[1:])
    for text in ANSWERS[command]:
        assert re.search(text, found.output), found.output


def test_a_run_under_way_says_what_runs_and_what_waits(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    tiny.deliver(project, {"sales/2024-03-10.csv": "id,item\n10,cup\n"})
    run = active_run(project.identity, new_run_id(), Scope(date(2024, 3, 10)), is_whole=True)
    try:
        (row,) = [row for row in run.history.steps([run.row.run_id]) if row.step == "extract"]
        run.history.begin(run.row.run_id, [row.id], row.started_at or run.row.started_at)
        shown = CliRunner().invoke(cli, ["show"]).output
        told = json.loads(CliRunner().invoke(cli, ["show", "--json"]).output)
    finally:
        finish_runs()
    for text in ANSWERS["etl show"]:
        assert re.search(text, shown), shown
    waits = {(step["step"], step["message"]) for step in told["steps"] if step["outcome"] == ""}
    assert ("load", "It waits for extract sales (running).") in waits


def test_a_run_after_a_failed_one_does_what_is_left_and_no_more(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, CONTRACTS, SQL)
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n9,gold\n"})
    with pytest.raises(AuditError):
        tiny.night(project)

    assert tiny.stale(tiny.plan(project)) == ["audit", "publish"]


def test_the_page_has_each_command_and_each_is_one() -> None:
    assert set(questions()) == set(ANSWERS)
    for command in questions():
        found: click.Command | None = cli.commands.get(command.split()[1])
        assert found is not None
        found.make_context("etl", command.split()[2:])
