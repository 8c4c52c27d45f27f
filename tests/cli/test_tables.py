"""`etl tables`: what an analyst finds, without knowing the project."""

import json

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.contract.contract import comment_of, notes_in
from etl.errors import ConfigError
from tests.support import tiny

ITEMS = """-- What sold, by item. Grain: item.
-- owner: ann@example.org
-- unit: sales = pieces
-- column: sales = How many were sold.
-- not_null: item
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    items = tiny.SQL["marts/items.sql"]
    project = tiny.project(tmp_path / "shop", sql={**tiny.SQL, "marts/items.sql": ITEMS + items})
    tiny.night(project)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def answer(*arguments):
    result = CliRunner().invoke(cli, ["tables", *arguments])
    if result.exception:
        raise result.exception
    return result.output


def test_a_table_tells_its_rows_freshness_columns_owner_and_checks(shop):
    (found,) = json.loads(answer("marts.items", "--json"))

    assert {name: found[name] for name in ("table", "kind", "description", "owner")} == {
        "table": "marts.items",
        "kind": "table",
        "description": "What sold, by item.",
        "owner": "ann@example.org",
    }
    assert found["rows"] == tiny.published(shop, "select count(*) from marts.items")[0][0]
    assert (
        found["up_to"]
        == tiny.published(shop, "select max(date)::varchar from etl.partitions where source = 'sales'")[0][0]
    )
    sales = next(column for column in found["columns"] if column["column"] == "sales")
    assert (sales["unit"], sales["description"]) == ("pieces", "How many were sold.")
    assert {check["name"]: check["passed"] for check in found["checks"]}["marts.items.not_null.item"] is True

    text = answer("marts.items")
    assert "What sold, by item." in text and "owner     ann@example.org" in text and "pieces" in text


def test_all_tables_are_listed_but_for_those_that_are_etls_own_business(shop):
    listed = {item["table"] for item in json.loads(answer("--json"))}

    there = """select schema_name || '.' || table_name from duckdb_tables()
        union all select schema_name || '.' || view_name from duckdb_views() where not internal"""
    known = {name for (name,) in tiny.published(shop, there)}
    assert known == listed
    assert answer().splitlines()[0].split("\t") == ["table", "kind", "rows", "up_to", "built_at", "description"]


def test_a_table_that_is_not_there_is_told_with_the_closest(shop):
    with pytest.raises(ConfigError, match=r"no published table marts.itms.*marts\.items"):
        answer("marts.itms")


@pytest.mark.parametrize(
    "notes",
    [
        {"description": "Its name."},
        {"description": "", "unit": "miles"},
        {"description": "A list [1, 2] of it.", "unit": "km/h", "pii": "hash"},
        {"description": "Ends in [x]."},
        {"description": "", "owner": "ann@example.org"},
    ],
)
def test_what_a_comment_says_is_read_back(notes):
    assert notes_in(comment_of(notes)) == notes
