"""What a partition depends on: the plan's word for it, held to what really changes when other dates change."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from etl.errors import ModelError
from etl.models import Given, Model, read_models

pytestmark = pytest.mark.sampled

DAYS = ["2024-03-01", "2024-03-02", "2024-03-03"]
GIVEN = [
    Given("raw.sales", (("day", "DATE"), ("shop", "VARCHAR"), ("item", "VARCHAR"), ("price", "BIGINT")), "day"),
    Given("raw.visits", (("visit_day", "DATE"), ("shop", "VARCHAR"), ("visitors", "BIGINT")), "visit_day"),
    Given("raw.shops", (("shop", "VARCHAR"), ("town", "VARCHAR"))),
]
VIEWS = {
    "staging.daily": "select day as sale_day, shop, item, price * 2 as price from raw.sales",
    "staging.dearest": "from raw.sales qualify row_number() over (partition by day, shop order by price desc) = 1",
    "staging.picked": "select distinct on (shop) * from raw.sales order by shop, day, item, price",
}
SALES, VISITS = "raw.sales", "raw.visits"

#: A SELECT with the partition column p, and the tables of which a partition needs the same date only.
SHAPES = [
    (sql.strip(), {SALES, VISITS} & set(tables.split(", ")))
    for tables, sql in re.findall(
        r"-- by date: (.*)\n([^;]+);", (Path(__file__).parent / "independence.sql").read_text()
    )
]


def read(root: Path, sql: str) -> Model:
    """Read an incremental model of a SELECT, over views and raw tables."""
    files = {name: f"-- materialized: view\n{text}" for name, text in VIEWS.items()}
    files["marts.x"] = f"-- materialized: incremental\n-- partition: p\n{sql}"
    for name, text in files.items():
        path = root / "sql" / f"{name.replace('.', '/')}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_models(root / "sql", GIVEN).models["marts.x"]


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("create schema raw; create schema staging; create schema marts")
        for table in GIVEN:
            con.execute(f"create table {table.name} ({', '.join(' '.join(column) for column in table.columns)})")
        for name, sql in VIEWS.items():
            con.execute(f"create view {name} as {sql}")
        con.execute("insert into raw.shops values ('a', 'Ulm'), ('b', 'Bonn')")
        yield con


def fill(con: duckdb.DuckDBPyConnection, table: str, days: list[str], chance: random.Random) -> None:
    """Replace what a table holds of some days by other rows, or by none."""
    given = next(given for given in GIVEN if given.name == table)
    column, columns = given.partition, len(given.columns)
    for day in days:
        con.execute(f"delete from {table} where {column} = '{day}'")
        for _ in range(chance.randrange(7)):
            row = [day, chance.choice("ab"), chance.choice("abc"), chance.randrange(6)]
            con.execute(
                f"insert into {table} values ({', '.join('?' * len(row[:columns]))})",
                [*row[: columns - 1], row[3]],
            )


@pytest.mark.parametrize(("sql", "by_date"), SHAPES)
def test_what_is_needed_by_date_is_told_by_the_plan(tmp_path: Path, sql: str, by_date: set[str]) -> None:
    model = read(tmp_path, sql)

    assert set(model.by_date) == by_date
    assert bool(model.why_full) == (not by_date)


@pytest.mark.parametrize(("sql", "by_date"), SHAPES)
def test_only_the_same_date_of_those_tables_matters(warehouse, sql: str, by_date: set[str]) -> None:
    """Brute force: other dates of a table needed by date become something else, and the partition stays."""
    chance = random.Random(sql)
    for _ in range(12):
        for table in (SALES, VISITS):
            fill(warehouse, table, DAYS, chance)
        whole = warehouse.execute(f"from (from ({sql})) where p = $1 order by all", [DAYS[1]]).fetchall()
        for table in by_date:
            fill(warehouse, table, [DAYS[0], DAYS[2]], chance)

        warehouse.execute(f"create or replace table marts.x as {sql}")
        assert warehouse.execute("from marts.x where p = $1 order by all", [DAYS[1]]).fetchall() == whole


@pytest.mark.parametrize("sql", [sql for sql, by_date in SHAPES if by_date])
def test_one_partition_through_the_filter_is_that_of_the_full_build(warehouse, sql: str) -> None:
    chance = random.Random(sql)
    for _ in range(5):
        for table in (SALES, VISITS):
            fill(warehouse, table, DAYS, chance)
        warehouse.execute(f"create or replace table marts.x as {sql}")
        for condition in (
            *(f"p = date '{day}'" for day in DAYS),
            f"p in (date '{DAYS[0]}', date '{DAYS[2]}')",
            "p is null",
        ):
            through = warehouse.execute(f"select * from (\n{sql}\n) where {condition} order by all").fetchall()
            assert through == warehouse.execute(f"from marts.x where {condition} order by all").fetchall()


def test_there_are_many_shapes() -> None:
    assert len(SHAPES) >= 40


def test_a_partition_that_is_no_date_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"sql/marts/x.sql:2: partition: p is TIMESTAMP, not DATE. Cast it\."):
        read(tmp_path, "select day::timestamp as p from raw.sales")
