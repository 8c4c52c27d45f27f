"""What is cleared is done again by the next run, once, with all that reads it; nothing is lost by it."""

from datetime import date

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.ledger.cleared import cleared_steps
from etl.ledger.keys import AUDIT, PUBLISH, extract_key, load_key, transform_key
from etl.operations.clearing import clear
from etl.plan import Scope, make_plan
from etl.run import steps
from etl.run.active import active_run, finish_runs, new_run_id
from etl.stages import published
from tests.support import tiny

DAYS = [date(2024, 3, 1), date(2024, 3, 2)]
SQL = {
    **tiny.SQL,
    "marts/totals.sql": "select sum(sales) as sales from marts.items",
    "marts/one.sql": "select 1 as one",
}
DEPENDING = {load_key("sales"), transform_key("marts.items"), transform_key("marts.totals"), AUDIT, PUBLISH}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A published project of two days."""
    project = tiny.once(tmp_path / "shop", made)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def made(root):
    night(tiny.project(root, sql=SQL))


def night(project, *doing):
    """A night as runs are, which it may not live to see the end of."""
    run = active_run(project.identity, new_run_id(), is_whole=True)
    try:
        for do in doing or (tiny.work,):
            do(run)
    finally:
        finish_runs()


def loaded(project):
    return set(tiny.ask(project.build, "select id, _loaded_at from raw.sales"))


def stale(project):
    return dict(make_plan(project, Ledger(project.ledger, is_reading=True), Scope(project.today())).stale)


def run_ids(project):
    return {key: receipt.run_id for key, receipt in Ledger(project.ledger, is_reading=True).receipts().items()}


def test_a_source_is_extracted_loaded_and_built_again_once(shop):
    before = run_ids(shop)
    assert clear(shop, "sales").dates == DAYS
    expected = DEPENDING | {extract_key("sales", day) for day in DAYS}
    assert stale(shop) == dict.fromkeys(expected, "cleared")

    night(shop)

    after = run_ids(shop)
    assert {key for key in before if after[key] != before[key]} >= expected - {PUBLISH}
    assert after[transform_key("marts.one")] == before[transform_key("marts.one")]
    assert stale(shop) == {} and cleared_steps(Ledger(shop.ledger, is_reading=True)) == {}


def test_only_the_dates_that_are_named_are_taken_again(shop):
    said = CliRunner().invoke(cli, ["clear", "sales", "--dates", "2024-03-02..2024-03-31"])
    assert said.output == (
        "Cleared 1 partition and 2 models. The next run does them again. To begin it: etl run\n"
    )
    assert {key for key in stale(shop) if key.step == "extract"} == {extract_key("sales", DAYS[1])}


def test_a_model_is_built_again_though_build_duckdb_says_that_it_is_built(shop):
    built = []
    clear(shop, "marts.items")
    assert stale(shop).keys() == DEPENDING - {load_key("sales")}
    night(shop, lambda run: built.extend(run.plan.build(name) for name in ("marts.items", "marts.one")), tiny.work)
    assert [build.anew for build in built] == [True, False]
    assert stale(shop) == {}


@pytest.mark.parametrize("steps_done", [1, 2, 3, 4])
def test_what_was_done_again_before_a_kill_is_not_lost(shop, steps_done):
    before = loaded(shop)
    clear(shop, "sales")
    doing = [
        lambda run: steps.extract(run, "sales", DAYS),
        lambda run: steps.load(run, ["sales"]),
        lambda run: steps.transform(run, ["marts.items"]),
        lambda run: steps.transform(run, ["marts.totals"]),
    ]
    night(shop, *doing[:steps_done])
    left = make_plan(shop, Ledger(shop.ledger, is_reading=True), Scope(shop.today()))
    assert {key: why for key, why in left.stale.items() if key.step == "extract"} == {}
    assert {AUDIT, PUBLISH} <= left.stale.keys()
    night(shop)
    assert len(loaded(shop)) == 3 and loaded(shop).isdisjoint(before)
    assert stale(shop) == {} and cleared_steps(Ledger(shop.ledger, is_reading=True)) == {}


def test_a_file_that_is_gone_keeps_its_receipt_and_its_rows(shop):
    (shop.raw / "sales/2024-03-01.csv").unlink()
    found = clear(shop, "sales")
    assert found.dates == DAYS[1:]
    tiny.night(shop, allow_withdrawn="sales")


def test_a_run_of_another_source_or_of_other_dates_leaves_it_cleared(shop):
    clear(shop, "sales", lambda day: day == DAYS[0])
    plan = make_plan(shop, Ledger(shop.ledger, is_reading=True), Scope(DAYS[1], DAYS[1]))
    assert extract_key("sales", DAYS[0]) not in plan.stale


@pytest.mark.parametrize(
    ("name", "takes", "why"),
    [
        ("sale", None, "There is no source or model sale. Did you mean sales?"),
        ("marts.items", lambda day: True, "is a model, which is built as a whole"),
        ("sales", lambda day: False, "Nothing of sales can be taken again: nothing was taken of it yet."),
    ],
)
def test_what_cannot_be_cleared_is_refused(shop, name, takes, why):
    with pytest.raises(ConfigError, match=why.replace("?", r"\?")):
        clear(shop, name, takes)


def test_the_former_meaning_goes_on_for_a_source_that_was_removed_and_says_its_name(shop):
    (shop.root / "contracts/all.py").write_text("")
    for path in shop.sql.rglob("*.sql"):
        path.unlink()
    (shop.sql / "marts/one.sql").write_text("select 1 as one")
    said = CliRunner().invoke(cli, ["clear", "sales", "--yes"])
    assert "is now called: etl drop sales" in said.output and "Deleted 2 partitions" in said.output
    assert published.current(shop)


def test_a_model_stays_cleared_though_a_run_was_killed_before_it_was_built(shop):
    clear(shop, "marts.items")
    night(shop, lambda run: None)
    left = make_plan(shop, Ledger(shop.ledger, is_reading=True), Scope(shop.today()))
    assert left.build("marts.items").anew and not left.build("marts.one").anew
