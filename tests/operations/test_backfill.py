"""`etl backfill`: which partitions are taken and why, and with which it goes on after it was ended."""

import json
from datetime import date

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.operations.backfill import Partition, go_on, partitions
from etl.plan import Scope
from tests.support import tiny

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 3)
RANGE = ("--start", "2024-03-02", "--stop", "2024-03-03")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A published project to which a day came since."""
    project = tiny.once(tmp_path / "shop", published)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def published(root):
    project = tiny.project(root)
    tiny.night(project)
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n4,cap\n"})


def listed(project, scope):
    found = partitions(project, Ledger(project.ledger, is_reading=True), scope)
    return [(str(one.date), one.is_taken, one.why) for one in found]


def test_what_is_new_is_taken_and_what_is_done_is_kept(shop):
    assert listed(shop, Scope(LAST, FIRST)) == [
        ("2024-03-01", False, "unchanged"),
        ("2024-03-02", False, "unchanged"),
        ("2024-03-03", True, "new delivery"),
    ]


def test_by_force_all_of_the_range_is_taken_and_nothing_else(shop):
    assert listed(shop, Scope(LAST, date(2024, 3, 2), force=True)) == [
        ("2024-03-02", True, "forced"),
        ("2024-03-03", True, "new delivery"),
    ]


def test_a_dry_run_lists_and_takes_nothing(shop):
    before = Ledger(shop.ledger, is_reading=True).receipts()

    said = CliRunner().invoke(cli, ["backfill", *RANGE, "--dry-run"])
    plain = CliRunner().invoke(cli, ["backfill", *RANGE, "--dry-run", "--json"])

    assert said.exit_code == 0
    assert said.output.splitlines()[0] == "1 partition to take, 1 unchanged"
    assert json.loads(plain.output)[1] == {
        "source": "sales",
        "date": "2024-03-03",
        "is_taken": True,
        "why": "new delivery",
    }
    assert Ledger(shop.ledger, is_reading=True).receipts() == before


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ([], ["--start", "2024-03-02", "--stop", "2024-03-03", "--workers", "1"]),
        (
            ["--source", "sales", "--force", "--workers", "2"],
            [*RANGE, "--workers", "2", "--source", "sales", "--force"],
        ),
    ],
)
def test_it_is_a_run_of_the_task(shop, monkeypatch, options, asked):
    called = []
    monkeypatch.setattr("etl.tasks.run_luigi", called.append)

    said = CliRunner().invoke(cli, ["backfill", *RANGE, *options])

    assert (said.exit_code, called) == (0, [["Backfill", *asked]])


def run(outcome):
    values = {"run_id": "r5", "outcome": outcome}
    return type("Ended", (), values)()


def taken(*runs):
    return [
        Partition(source="sales", date=date(2024, 3, n), is_taken=True, why="forced", run_id=run_id)
        for n, run_id in enumerate(runs, 1)
    ]


@pytest.mark.parametrize(
    ("runs", "day"),
    [
        (("r1", "r1", "r1"), 1),
        (("r5", "r1", "r1"), 2),
        # another worker was faster: nothing is left out that was not taken
        (("r5", "r1", "r5"), 2),
        (("r5", "r6", ""), 3),
        # all were taken, but what is built of them may not be
        (("r5", "r5", "r6"), 3),
    ],
)
def test_it_goes_on_with_the_first_date_that_was_not_taken(runs, day):
    assert go_on(taken(*runs), run("killed")) == date(2024, 3, day)


def test_what_a_run_took_is_left_out_by_its_receipts(shop):
    ledger = Ledger(shop.ledger, is_reading=True)
    found = partitions(shop, ledger, Scope(LAST, FIRST, force=True))
    ended = type("Ended", (), {"run_id": found[0].run_id, "outcome": "killed"})()

    assert found[0].run_id
    assert go_on(found, ended) == date(2024, 3, 3)


def test_without_deliveries_there_is_nothing_to_go_on_with():
    assert go_on([], run("killed")) is None


@pytest.mark.parametrize("outcome", ["published", "unchanged"])
def test_what_ended_well_is_not_gone_on_with(outcome):
    with pytest.raises(ConfigError, match="ended well"):
        go_on(taken("r1"), run(outcome))


def test_a_range_that_ends_before_it_begins_is_refused(shop):
    with pytest.raises(ConfigError, match="is after the last"):
        listed(shop, Scope(FIRST, LAST))
