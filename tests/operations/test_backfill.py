"""`etl backfill`: which partitions are taken and why, and with which it goes on after it was ended."""

import json
from datetime import date
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.ledger.keys import extract_key, load_key, transform_key
from etl.operations.backfill import partitions
from etl.plan import Scope, make_plan
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
        ([], [*RANGE, "--workers", "1"]),
        (
            ["--source", "sales", "--force", "--workers", "2"],
            [*RANGE, "--source", "sales", "--force", "--workers", "2"],
        ),
    ],
)
def test_it_is_a_run_of_the_task(shop, monkeypatch, options, asked):
    called = []
    monkeypatch.setattr("etl.tasks.run_luigi", called.append)

    said = CliRunner().invoke(cli, ["backfill", *RANGE, *options])

    assert (said.exit_code, [words[:-4] for words in called]) == (0, [["Backfill", *asked]])
    # the run has an id before it begins, by which what becomes of it is looked up
    assert called[0][-4:-1] == ["--project", shop.identity, "--run-id"]


def test_what_was_extracted_since_is_loaded_and_built_again_but_not_extracted(shop):
    ledger = Ledger(shop.ledger, is_reading=True)
    begun = ledger.receipt(extract_key("sales", FIRST)).run_id

    plan = make_plan(shop, ledger, Scope(LAST, FIRST, force=True, since=begun))

    assert [str(delivery.date) for delivery in plan.stale_partitions("sales")] == ["2024-03-03"]
    # the run may have ended before it loaded them
    assert {load_key("sales"), transform_key("marts.items")} <= plan.stale.keys()
    assert extract_key("sales", FIRST) in plan.forced
    assert listed(shop, plan.scope)[0] == ("2024-03-01", False, f"extracted since run {begun}")


def test_what_was_extracted_before_is_extracted_again(shop):
    assert listed(shop, Scope(LAST, FIRST, force=True, since="z"))[0] == ("2024-03-01", True, "forced")


@pytest.mark.parametrize(("outcome", "code"), [("failed", 0), ("published", 35), ("unchanged", 35)])
def test_what_ended_well_is_not_gone_on_with(shop, monkeypatch, outcome, code):
    ended, called = SimpleNamespace(run_id="r5", outcome=outcome), []
    monkeypatch.setattr("etl.reports.history.find_run", lambda *_: ended)
    monkeypatch.setattr("etl.tasks.run_luigi", called.append)

    result = CliRunner().invoke(cli, ["backfill", *RANGE, "--force", "--resume"])

    if code:
        assert isinstance(result.exception, ConfigError) and not called
    else:
        assert called[0][5:8] == ["--force", "--since", "r5"]


def test_a_range_that_ends_before_it_begins_is_refused(shop):
    with pytest.raises(ConfigError, match="is after the last"):
        listed(shop, Scope(FIRST, LAST))
