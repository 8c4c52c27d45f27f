"""A raw table with many rows becomes a view over the lake by itself, and stays one; the content is the same."""

import logging
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from etl.ledger import Ledger
from etl.ledger.keys import load_key
from etl.operations.clearing import clear
from etl.plan import Scope
from etl.plan.forecast import forecast
from etl.plan.plan import make_plan
from etl.project import Project, load_project
from etl.reports.status import project_status
from etl.stages.published import read_record
from tests.support import tiny

#: What tiny.SALES have and one more day: more than the limit.
LIMIT = "view_rows = 3\n"
MORE = {"sales/2024-03-03.csv": "id,item\n4,ink\n"}
RAW = "select id, item from raw.sales order by id"


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """A project whose raw table has just as many rows as a table may have."""
    return tiny.once(tmp_path, at_the_limit)


def at_the_limit(root: Path) -> None:
    tiny.night(tiny.project(root, settings=LIMIT))


def forms(project: Project) -> list[str]:
    """Return what raw.sales is in the build and in what is published."""
    query = "select table_type from information_schema.tables where table_schema = 'raw'"
    return [kind for path in (project.build, project.warehouse) for ((kind),) in tiny.ask(path, query)]


def set_up(project: Project, settings: str) -> Project:
    (project.root / "luigi.cfg").write_text(f"[etl]\n{settings}")
    return load_project(project.root)


def declare(project: Project, load: str) -> None:
    text = tiny.CONTRACTS.replace('.csv"', f'.csv", load="{load}"')
    (project.root / "contracts/all.py").write_text(text)


def grown(project: Project) -> Project:
    tiny.deliver(project, MORE)
    tiny.night(project)
    return project


def test_with_more_rows_than_that_a_table_becomes_a_view_and_stays_one(
    shop: Project, caplog: pytest.LogCaptureFixture
) -> None:
    assert forms(shop) == ["BASE TABLE"] * 2
    caplog.set_level(logging.INFO, "etl")

    grown(shop)
    assert forms(shop) == ["VIEW"] * 2
    assert tiny.published(shop, RAW) == [(1, "book"), (2, "pen"), (3, "book"), (4, "ink")]
    assert tiny.stale(tiny.plan(shop)) == []
    for name in ("2024-03-01", "2024-03-02"):
        (shop.raw / f"sales/{name}.csv").unlink()
    tiny.night(shop)

    assert forms(shop) == ["VIEW"] * 2
    assert tiny.published(shop, RAW) == [(4, "ink")]
    told = [text for text in caplog.messages if "view over the lake" in text]
    assert told == ["raw.sales is a view over the lake from now on: 4 rows, more than view_rows = 3"]


def test_what_is_published_is_the_same_as_of_a_table(shop: Project, tmp_path: Path) -> None:
    table = tiny.project(tmp_path / "table", tiny.CONTRACTS, raw=tiny.SALES | MORE)
    tiny.night(table)

    mine, others = read_record(grown(shop).current), read_record(table.current)

    assert mine and others and mine.tables == others.tables


def test_what_the_contract_says_counts_at_once_and_builds_no_model_again(shop: Project) -> None:
    grown(shop)
    built = tiny.published(shop, "from etl.models")
    for load, kind in (("table", "BASE TABLE"), ("auto", "VIEW"), ("table", "BASE TABLE"), ("view", "VIEW")):
        declare(shop, load)
        assert tiny.stale(tiny.night(shop)) == ["load sales", "publish"]
        assert forms(shop) == [kind] * 2
        assert tiny.stale(tiny.plan(shop)) == []
    assert tiny.published(shop, "from etl.models") == built


def test_the_setting_counts_without_a_new_delivery_too(shop: Project) -> None:
    lower = set_up(shop, "view_rows = 2\n")
    assert tiny.stale(tiny.night(lower)) == ["load sales", "publish"]
    assert forms(lower) == ["VIEW"] * 2

    for settings in ("view_rows = 0\n", "view_rows = 2\npublish_raw = no\n"):
        without = set_up(shop, settings)
        tiny.night(without)
        assert forms(without) == ["BASE TABLE"] * 2
        assert tiny.published(without, RAW) == [(1, "book"), (2, "pen"), (3, "book")]
        tiny.night(set_up(shop, "view_rows = 2\n"))


def test_a_history_is_loaded_however_many_rows_it_has(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace('"sales/{date}.csv"', '"sales.csv", history=True')
    project = tiny.project(
        tmp_path, contracts, raw={"sales.csv": "id,item\n1,book\n2,pen\n"}, settings="view_rows = 1\n"
    )
    tiny.night(project)

    assert forms(project) == ["BASE TABLE"] * 2
    assert tiny.stale(tiny.plan(project)) == []


def forget_the_receipt(project: Project) -> None:
    Ledger(project.ledger).forget([load_key("sales")])


def delete_the_build(project: Project) -> None:
    project.build.unlink()


@pytest.mark.parametrize("lose", [forget_the_receipt, delete_the_build])
def test_of_a_loss_it_stays_a_view(shop: Project, lose: Callable[[Project], None]) -> None:
    grown(shop)
    (shop.raw / "sales/2024-03-01.csv").unlink()

    lose(shop)
    tiny.night(shop)

    assert forms(shop) == ["VIEW"] * 2


def test_what_is_cleared_is_decided_again(shop: Project) -> None:
    grown(shop)
    (shop.raw / "sales/2024-03-01.csv").unlink()
    tiny.night(shop)
    assert forms(shop) == ["VIEW"] * 2

    clear(shop, "sales")
    tiny.night(shop)

    assert forms(shop) == ["BASE TABLE"] * 2
    assert tiny.stale(tiny.plan(shop)) == []


def test_plan_and_status_tell_it(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def why() -> list[str]:
        found = forecast(make_plan(shop, Ledger(shop.ledger), Scope(date(2024, 3, 31))), Ledger(shop.ledger))
        return [found.tables[0].why, found.publish.why]

    def load() -> str:
        (source,) = project_status()["sources"]
        return str(source["load"])

    monkeypatch.setenv("ETL_PROJECT", str(shop.root))
    tiny.deliver(shop, MORE)
    assert why() == [
        "new delivery 2024-03-03; becomes a view over the lake: more than view_rows = 3",
        "a new generation",
    ]
    assert load() == "table"
    tiny.night(shop)
    assert why() == ["nothing new", "unchanged"]
    assert load() == "view"
    declare(shop, "table")
    assert why() == [
        "becomes a table, and no view over the lake",
        "a raw table becomes a view over the lake, or a table again",
    ]
