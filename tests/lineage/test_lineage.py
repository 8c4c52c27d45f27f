"""What each column is made of, through all SQL, down to the raw files; and what it ends up in."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import cli
from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.lineage import Column, Lineage, downstream, read_lineage, shown, upstream
from etl.lineage.select import traced
from etl.plan.plan import definitions
from etl.project import load_project
from tests import tiny

TABLES = {
    "raw.sales": {"day": "DATE", "shop": "VARCHAR", "item": "VARCHAR", "price": "BIGINT"},
    "raw.shops": {"shop": "VARCHAR", "town": "VARCHAR"},
}


def leaves(names: str) -> set[tuple[str, str]]:
    """Return `sales.price shops.town` as tables and columns."""
    return {(f"raw.{name.split('.')[0]}", name.split(".")[1]) for name in names.split()}


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("select price * 2 as x from raw.sales", "sales.price"),
        ("from raw.sales select upper(item) || shop as x", "sales.item sales.shop"),
        ("select 1 as x", ""),
        ("select count(*) as x from raw.sales", ""),
        ("select sum(price) filter (where item = 'a') as x from raw.sales", "sales.price sales.item"),
        ("with a as (select price + 1 as b from raw.sales), c as (from a) select b as x from c", "sales.price"),
        ("select shop as x from raw.sales union all select town from raw.shops", "sales.shop shops.town"),
        ("select town as x from raw.sales join raw.shops using (shop)", "shops.town"),
        ("select (select max(town) from raw.shops) as x from raw.sales", "shops.town"),
        ("select sum(price) over (order by day) as x from raw.sales", "sales.price sales.day"),
        ("select list_transform([price], p -> p + 1) as x from raw.sales", "sales.price"),
        ("select town as x from raw.sales s asof join raw.shops t on s.shop >= t.shop", "shops.town"),
        ("select case when shop = 'a' then price end as x from raw.sales", "sales.shop sales.price"),
    ],
)  # fmt: skip
def test_a_column_is_made_of_what_its_expression_reads(sql: str, values: str) -> None:
    found = traced(sql, TABLES, ["x"])

    assert found is not None
    assert set(found.columns["x"].values) == leaves(values)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("select price as x from raw.sales where item = 'a'", "sales.item"),
        ("select sum(price) as x from raw.sales group by shop", "sales.shop"),
        ("select price x from raw.sales s join raw.shops t on s.shop = t.shop", "sales.shop shops.shop"),
        ("with a as (select item as i, price from raw.sales) select price x from a where i = 'b'", "sales.item"),
        ("select price as x from raw.sales qualify row_number() over (order by day) = 1", "sales.day"),
        ("select sum(price) filter (where item = 'a') as x from raw.sales", ""),
    ],
)  # fmt: skip
def test_what_decides_on_the_rows_is_told_apart(sql: str, rows: str) -> None:
    found = traced(sql, TABLES, ["x"])

    assert found is not None
    assert set(found.rows) == leaves(rows)


def lineage_of(root: Path, sql: dict[str, str]) -> Lineage:
    """Return the lineage of a tiny project with these models over raw.sales (id, item, delivery_date)."""
    project = tiny.project(root, sql={f"{name.replace('.', '/')}.sql": text for name, text in sql.items()})
    return read_lineage(*definitions(project, Ledger(project.ledger)))


@pytest.mark.parametrize(
    "sql",
    ["from (pivot raw.sales on item in ('a', 'b') using sum(id))", "select columns('i.*') from raw.sales"],
)
def test_what_cannot_be_taken_apart_may_depend_on_all_that_is_read(tmp_path: Path, sql: str) -> None:
    found = lineage_of(tmp_path, {"marts.x": sql})

    made = [made for column, made in found.made.items() if column.table == "marts.x"]
    assert len(made) > 1
    assert all(what.is_opaque for what in made)
    assert all(Column("raw.sales", "id") in what.values for what in made)


def test_the_columns_of_a_history_are_made_of_the_dates(tmp_path: Path) -> None:
    header = "-- materialized: scd2\n-- key: id\n-- partition: day\n"
    found = lineage_of(tmp_path, {"marts.x": f"{header}select delivery_date as day, id, item from raw.sales"})

    assert found.made[Column("marts.x", "valid_from")].values == (Column("raw.sales", "delivery_date"),)
    assert found.made[Column("marts.x", "item")].values == (Column("raw.sales", "item"),)


def test_a_tree_leads_down_to_the_file(tmp_path: Path) -> None:
    sql = {
        "staging.sales": "-- materialized: view\nselect id, upper(item) as thing from raw.sales",
        "marts.items": "select thing, count(*) as sales from staging.sales where id > 0 group by thing",
    }
    found = lineage_of(tmp_path, sql)

    assert list(shown(upstream(found, Column("marts.items", "thing")))) == [
        "marts.items.thing = sales.thing   sql/marts/items.sql",
        "└─ staging.sales.thing = UPPER(sales.item)   sql/staging/sales.sql",
        "   └─ raw.sales.item",
        "      └─ data/raw/sales/{date}.csv: item",
    ]
    assert list(shown(downstream(found, Column("raw.sales", "id")))) == [
        "raw.sales.id",
        "└─ staging.sales.id   sql/staging/sales.sql",
        "   └─ marts.items.* (which rows there are)   sql/marts/items.sql",
    ]


def test_an_unknown_name_is_refused_with_the_closest(tmp_path: Path) -> None:
    found = lineage_of(tmp_path, {"marts.items": "select item from raw.sales"})

    with pytest.raises(ConfigError, match=r"no table or column marts\.item; did you mean marts\.items\?"):
        found.columns("marts.item")
    with pytest.raises(ConfigError, match=r"no table or column raw\.sales\.itm; did you mean raw\.sales\.item\?"):
        found.columns("raw.sales.itm")


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Lineage:
    """The lineage of the default project."""
    project = load_project(Path(__file__).parents[2])
    return read_lineage(*definitions(project, Ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")))


def test_every_column_of_the_default_project_is_understood(default: Lineage) -> None:
    assert [str(column) for column, made in default.made.items() if made.is_opaque] == []


def test_every_column_of_a_mart_but_counts_comes_from_a_file(default: Lineage) -> None:
    def files(column: Column) -> set[str]:
        made = default.made.get(column)
        return {column.table} if made is None else {file for below in made.values for file in files(below)}

    for column in (column for column in default.made if column.table.startswith("marts.")):
        is_count = any("COUNT(*)" in step for step in default.made[column].steps)
        made_of = files(column)
        assert is_count or (made_of and all(file.startswith("data/raw/") for file in made_of)), column


def test_downstream_is_upstream_the_other_way(default: Lineage) -> None:
    for column, made in default.made.items():
        for below in (*made.values, *made.rows):
            assert column in default.used[below]
    for below, above in default.used.items():
        assert all(below in (*default.made[column].values, *default.made[column].rows) for column in above)


def test_the_command_prints_trees_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tiny.project(tmp_path)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))

    text = CliRunner().invoke(cli, ["lineage", "marts.items.item"], catch_exceptions=False).output
    data = json.loads(CliRunner().invoke(cli, ["lineage", "raw.sales.item", "--downstream", "--json"]).output)

    assert "data/raw/sales/{date}.csv: item" in text
    assert [into["column"] for into in data[0]["into"]] == ["marts.items.item", "marts.items.*"]
