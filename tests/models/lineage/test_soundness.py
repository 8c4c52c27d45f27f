"""Nothing is left out of a lineage: whatever changes a column's values when it changes is in it."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from etl.models.lineage import Origin
from tests.models.lineage.raw import TABLES, traced, values

SHAPES = re.findall(r"^(?!--)(.+);$", (Path(__file__).parent / "shapes.sql").read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as con:
        con.execute("create schema raw; pragma disable_optimizer")
        for table, columns in TABLES.items():
            text = ", ".join(f'"{name}" {type}' for name, type in columns.items())
            con.execute(f"create table {table} ({text})")
        yield con


def value(type: str, chance: random.Random) -> str:
    """Return a value of a type as SQL; of few, so that many are equal."""
    number, letter = chance.randint(0, 4), chance.choice("abc")
    return {
        "INTEGER": str(number),
        "DATE": f"date '2024-03-0{number + 1}'",
        "VARCHAR": f"'{letter}'",
        "INTEGER[]": str([chance.randint(0, 3) for _ in range(number)]),
        "MAP(VARCHAR, INTEGER)": f"map {{'k': {number}}}",
    }.get(type, f"{{'a': {number}, 'b': '{letter}'}}")


def fill(con: duckdb.DuckDBPyConnection, chance: random.Random) -> None:
    """Give every table other rows, with ids from 0."""
    for table, columns in TABLES.items():
        rows = [
            [str(row) if name == "id" else value(type, chance) for name, type in columns.items()]
            for row in range(chance.randint(3, 7))
        ]
        con.execute(f"delete from {table}; insert into {table} values {', '.join(map(tuple_of, rows))}")


def tuple_of(row: list[str]) -> str:
    return f"({', '.join(row)})"


def result(con: duckdb.DuckDBPyConnection, sql: str) -> list[Counter[str]]:
    """Return the values of each column, in no order, then the rows."""
    cursor = con.execute(sql)
    width, rows = len(cursor.description or ()), cursor.fetchall()
    return [*(Counter(repr(row[place]) for row in rows) for place in range(width)), Counter(map(repr, rows))]


def changing(con: duckdb.DuckDBPyConnection, sql: str) -> Iterator[tuple[Origin, set[int]]]:
    """Change each column in a row, or in all; yield it with the places of what is another result by that."""
    chance = random.Random(7)
    fill(con, chance)
    before = result(con, sql)
    for table in (table for table in TABLES if table in sql.lower()):
        for name, type in TABLES[table].items():
            other = f"5 - {name}" if name == "id" else value(type, chance)
            where = chance.choice(["true", f"rowid = (select min(rowid) + {chance.randint(0, 3)} from {table})"])
            con.execute(f'begin; update {table} set "{name}" = {other} where {where}')
            after = result(con, sql)
            con.execute("rollback")
            yield Origin(table, name), {n for n, old in enumerate(before) if old != after[n]}


@pytest.mark.parametrize("sql", SHAPES)
def test_what_changes_a_column_is_in_its_lineage(sql: str, con: duckdb.DuckDBPyConnection) -> None:
    lineage = traced(con, sql)
    rows = set(lineage.rows["marts.x"])
    known = [rows | values(lineage, name) for name in lineage.tables["marts.x"].columns]
    known.append(set().union(rows, *known))

    missing = {
        (column, place) for column, places in changing(con, sql) for place in places if column not in known[place]
    }

    assert missing == set()


@pytest.mark.parametrize("sql", SHAPES)
def test_a_column_that_is_the_same_as_others_has_their_values_only(
    sql: str, con: duckdb.DuckDBPyConnection
) -> None:
    lineage = traced(con, sql)
    same = [lineage.same(Origin("marts.x", name)) for name in lineage.tables["marts.x"].columns]

    for seed in range(8):
        fill(con, random.Random(seed))
        columns = result(con, sql)[:-1]
        for origins, found in zip(same, columns, strict=True):
            known = {repr(None)}
            for table, name in origins:
                known |= {repr(row[0]) for row in con.execute(f'select "{name}" from {table}').fetchall()}
            assert not origins or set(found) <= known


@pytest.mark.parametrize(
    ("sql", "same"),
    [
        ("select price as p, price + 1 as q, cast(price as bigint) as r, (price) as s from raw.sales", "p s"),
        ("select price as p, p as q, p * 2 as r, r as s from raw.sales", "p q"),
        ("select *, 1 as one from raw.sales", "id day shop item price qty"),
        ("select * exclude (day) replace (shop as item, upper(shop) as shop) from raw.sales", "id item price qty"),
        ("with a as (select price as p, sum(qty) as q from raw.sales group by 1) select p, q from a", "p"),
        ("select shop, town from raw.sales left join raw.shops using (shop)", "shop town"),
        ("select s, s.a, l[1] as l from raw.deep", "s"),
        ("select shop as x, 1 as y from raw.sales union all select town, size from raw.shops", "x"),
        ("select shop as x, price as y from raw.sales union all by name select size as y from raw.shops", "x y"),
        ("select #3 as x, columns('p.*'), min(columns('q.*')) from raw.sales group by all", "x shop price"),
        ("select x, y from raw.sales, lateral (values (price + 1, price)) as v(x, y)", ""),
        ("select u.a from raw.deep, unnest([s]) as u(a)", ""),
        ("with recursive r as (select id, 1 as n from raw.sales union select id, n + 1 from r) from r", "id"),
        ("select price as x from raw.sales order by x limit 1", "x"),
        ("select sum(price) over () as s, price from raw.sales", "price"),
        ("select (select max(size) from raw.shops) as m, min(item), shop from raw.sales group by 3", "shop"),
        ("select shop, v from raw.sales unpivot (v for what in (price, qty))", "shop"),
    ],
)  # fmt: skip
def test_a_column_is_the_same_if_nothing_is_computed(sql: str, same: str, con: duckdb.DuckDBPyConnection) -> None:
    lineage = traced(con, sql)

    columns = lineage.tables["marts.x"].columns
    assert " ".join(name for name in columns if lineage.same(Origin("marts.x", name))) == same
