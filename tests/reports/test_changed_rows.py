"""How many rows the last generation changed is on the page of changes once somebody has counted, with when."""

from datetime import date

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.ledger import Ledger
from etl.reports.page.changes import changes
from tests.support import reports, tiny

ASKED = [["report", "--changes"], ["diff"], ["diff", "previous", "current", "marts.items"]]


@pytest.fixture
def good(tmp_path, monkeypatch):
    project = tiny.once(tmp_path / "shop", reports.good)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def counted(project):
    return changes(project, Ledger(project.ledger, is_reading=True))["rows"]


@pytest.mark.parametrize(
    "command", [["report", "--changes"], ["diff"], ["diff", "previous", "current", "marts.items"]]
)
def test_they_are_counted_when_somebody_asks(good, command):
    assert counted(good) == {}

    done = CliRunner().invoke(cli, command)

    assert done.exit_code in (0, 1), done.output
    found = counted(good)
    # one more book was sold, and no column names the row
    assert found["tables"]["marts.items"] == [1, 1, 0]
    assert ("raw.sales" in found["tables"]) == (len(command) < 4)
    if "raw.sales" in found["tables"]:
        assert found["tables"]["raw.sales"] == [1, 0, 0]


def test_what_is_counted_by_a_key_of_ones_own_or_elsewhere_is_not_kept(good):
    CliRunner().invoke(cli, ["diff", "previous", "current", "marts.items", "--key", "sales"])
    CliRunner().invoke(cli, ["diff", "current", "current"])
    assert counted(good) == {}


def test_the_next_generation_has_numbers_of_its_own(good):
    CliRunner().invoke(cli, ["diff"])
    tiny.deliver(good, {"sales/2024-03-03.csv": reports.HEADER + "9,cup,1,e@example.com\n"})
    reports.night(good, date(2024, 3, 3))
    assert counted(good) == {}


def test_nothing_is_compared_before_there_are_two_generations(tmp_path, monkeypatch):
    project = tiny.project(tmp_path / "shop")
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    assert CliRunner().invoke(cli, ["report", "--changes"]).exit_code == 0
