"""A version of content tells apart every value, null, name, type, order of columns and number of rows.

The order of rows is none of it.
"""

# ruff: noqa: E501 (a type with its values in one line)

from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.engine.exact import KNOWN, counted, exact
from etl.engine.quoting import identifier
from etl.engine.row_hashes import row_hashes
from etl.stages.warehouse.content import read_hashes
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled

ZERO, HIGH = r"\x00", r"\x80"
#: Values of each type that has no parts, all different.
VALUES = {
    "BOOLEAN": ["true", "false"],
    "TINYINT": ["0", "-1", "1", "127"],
    "SMALLINT": ["0", "-1", "1", "32767"],
    "INTEGER": ["0", "-1", "1", "2147483647"],
    # hash() takes the last one for null
    "BIGINT": ["0", "-1", "1", "4294967296", "-2930909409056394622"],
    "UTINYINT": ["0", "255"],
    "USMALLINT": ["0", "65535"],
    "UINTEGER": ["0", "4294967295"],
    "UBIGINT": ["0", "18446744073709551615", "15515834664653156994"],
    "HUGEINT": ["0", "-1", "1", "18446744073709551616", "-18446744073709551616", "18446744073709551617"],
    "UHUGEINT": ["0", "1", "18446744073709551616", "340282366920938463463374607431768211455"],
    "DECIMAL(4,1)": ["0", "-0.1", "0.1", "123.4"],
    "DECIMAL(18,2)": ["0", "-0.01", "0.01", "123456789012345.67"],
    "DECIMAL(38,2)": ["0", "-0.01", "0.01", "123456789012345678901234567890.12", "123456789012345678901234567890.13"],
    "BIGNUM": ["0", "-1", "123456789012345678901234567890123456789012345678901234567890"],
    "FLOAT": ["0", "'-0.0'", "1", "'1.0000001'", "'nan'", "'inf'", "'-inf'"],
    "DOUBLE": ["0", "'-0.0'", "12345678901.0::double", "12345678902.0::double", "-'nan'::double", "'nan'", "'inf'"],
    "VARCHAR": ["''", "'a'", "'b'", "'NULL'", "'null'", "'[]'", "'aaaaaaaab'", "'é'", "'e\u0301'", "chr(0)", "'a,b'"],
    "JSON": ["'1'", "'[1]'", "'null'"],
    "BLOB": ["''", r"'\x00'", r"'\x00\x00'", f"'{ZERO * 16}'", f"'{(ZERO * 7 + HIGH) * 2}'"],
    "BIT": ["'0'", "'00'", "'1'", "'01'", "'00000000'", "'000000000'"],
    "UUID": ["'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0001-0000-000000000001'"],
    "DATE": ["'2024-01-01'", "'2024-01-02'", "'infinity'", "'-infinity'"],
    "TIME": ["'00:00:00'", "'00:00:00.000001'", "'24:00:00'"],
    "TIME_NS": ["'00:00:00'", "'00:00:00.000000001'"],
    "TIME WITH TIME ZONE": ["'12:00:00+00'", "'13:00:00+01'", "'12:00:00+00:00:01'"],
    "TIMESTAMP": ["'2024-01-01'", "'2024-01-01 00:00:00.000001'", "'infinity'", "'-infinity'"],
    "TIMESTAMP_S": ["'2024-01-01'", "'2024-01-01 00:00:01'", "'infinity'"],
    "TIMESTAMP_MS": ["'2024-01-01'", "'2024-01-01 00:00:00.001'", "'infinity'"],
    "TIMESTAMP_NS": ["'2024-01-01'", "'2024-01-01 00:00:00.000000001'", "'infinity'"],
    "TIMESTAMP WITH TIME ZONE": ["'2024-01-01 00:00+00'", "'2024-01-01 00:00+01'", "'infinity'"],
    "TIMESTAMPTZ_NS": ["'2024-01-01 00:00+00'", "'2024-01-01 00:00:00.000000001+00'"],
    "INTERVAL": ["'1 month'", "'30 days'", "'720 hours'", "'0 days'", "'-1 month'", "'1 year'"],
    "ENUM('a', 'b')": ["'a'", "'b'"],
    "GEOMETRY": ["'POINT(0 0)'", "'POINT(1 2)'", "'POINT(1 2.0000001)'", "'POINT Z(1 2 0)'"],
    "VARIANT": [
        *("1::integer", "1::tinyint", "1::hugeint", "'1'", "0::double", "'-0.0'::double", "1.0", "1.00", "[]", "[null]"),
        *("{'a': null}", "{'a': 1::integer}", "{'a': 1::tinyint}", "interval '1 month'", "interval '30 days'"),
        *("date '2024-01-01'", "'2024-01-01'", "'a'", "'a'::blob"),
    ],
}  # fmt: skip
#: Kinds of duckdb_types() that no table can hold, that has no value, and that have parts.
NEVER_STORED = {"TYPE"}
VALUELESS = {"NULL"}
DIFFERENT = [("y", 0), ("y", 1), ("y", 2), ("z", 1)]
NESTED = {"LIST", "ARRAY", "STRUCT", "MAP", "UNION", "TUPLE"}


@dataclass(frozen=True)
class Drawn:
    """A type, and what draws its values as SQL: different texts are different values."""

    sql: str
    values: st.SearchStrategy[str]


def leaf(type: str) -> Drawn:
    return Drawn(type, st.sampled_from([f"({value})::{type}" for value in VALUES[type]]))


def nullable(item: Drawn) -> st.SearchStrategy[str]:
    return st.one_of(st.just(f"null::{item.sql}"), item.values)


def lists(item: Drawn) -> Drawn:
    values = st.lists(nullable(item), max_size=3).map(lambda found: f"[{', '.join(found)}]::{item.sql}[]")
    return Drawn(f"{item.sql}[]", values)


def arrays(item: Drawn) -> Drawn:
    values = st.lists(nullable(item), min_size=2, max_size=2)
    return Drawn(f"{item.sql}[2]", values.map(lambda found: f"array_value({', '.join(found)})::{item.sql}[2]"))


def structs(one: Drawn, other: Drawn) -> Drawn:
    type = f'STRUCT("it\'s" {one.sql}, b {other.sql})'
    pairs = st.tuples(nullable(one), nullable(other))
    return Drawn(type, pairs.map(lambda pair: f'struct_pack("it\'s" := {pair[0]}, b := {pair[1]})::{type}'))


def tuples(one: Drawn, other: Drawn) -> Drawn:
    type = f"TUPLE({one.sql}, {other.sql})"
    pairs = st.tuples(nullable(one), nullable(other))
    return Drawn(type, pairs.map(lambda pair: f"row({pair[0]}, {pair[1]})::{type}"))


def maps(one: Drawn, other: Drawn) -> Drawn:
    type = f"MAP({one.sql}, {other.sql})"
    pairs = st.lists(st.tuples(one.values, nullable(other)), max_size=1)
    return Drawn(type, pairs.map(lambda found: f"map({_side(found, 0, one)}, {_side(found, 1, other)})::{type}"))


def _side(pairs: list[tuple[str, str]], place: int, item: Drawn) -> str:
    return f"[{', '.join(pair[place] for pair in pairs)}]::{item.sql}[]"


def unions(one: Drawn, other: Drawn) -> Drawn:
    type = f"UNION(a {one.sql}, b {other.sql}, c {one.sql})"
    tagged = st.one_of(
        *(
            nullable(item).map(lambda value, tag=tag: f"union_value({tag} := {value})")
            for tag, item in (("a", one), ("b", other), ("c", one))
        )
    )
    # a cast of one of the members to the whole is by its tag
    return Drawn(type, tagged.map(lambda value: f"({value})::{type}"))


LEAVES = st.sampled_from(sorted(VALUES)).map(leaf)
TYPES = st.recursive(
    LEAVES,
    lambda item: st.one_of(
        item.map(lists),
        item.map(arrays),
        *(
            st.tuples(item, item).map(lambda pair, make=make: make(*pair))
            for make in (structs, tuples, maps, unions)
        ),
    ),
    max_leaves=4,
)


@dataclass(frozen=True)
class Table:
    """Names, types and rows, as SQL."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, ...], ...]


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("set threads = 1; set timezone = 'UTC'")
    return con


def content(con: duckdb.DuckDBPyConnection, table: Table) -> str:
    declared = ", ".join(f"{identifier(name)} {type}" for name, type in table.columns)
    con.execute(f"create or replace table drawn ({declared})")
    if table.rows:
        rows = ", ".join(f"({', '.join(row)})" for row in table.rows)
        con.execute(f"insert into drawn values {rows}")
    columns = tuple((str(row[0]), str(row[1])) for row in con.execute("describe drawn").fetchall())
    return str(con.execute(f"select {row_hashes(con, 'marts.drawn', columns)} from drawn").fetchall()[0][0])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Table, Table]:
    """Draw a table, and the same with one thing changed."""
    types = draw(st.lists(TYPES, min_size=1, max_size=3))
    columns = tuple((name, item.sql) for name, item in zip("xyz", types, strict=False))
    row = st.tuples(*map(nullable, types))
    rows = tuple(draw(st.lists(row, min_size=1, max_size=4)))
    at, place = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, len(types) - 1))

    def with_row(*changed: tuple[str, ...]) -> Table:
        return Table(columns, (*rows[:at], *changed, *rows[at + 1 :]))

    change = draw(st.sampled_from(["value", "name", "more", "less", "order"]))
    if change == "value":
        other = draw(nullable(types[place]).filter(lambda value: value != rows[at][place]))
        return Table(columns, rows), with_row((*rows[at][:place], other, *rows[at][place + 1 :]))
    if change == "more":
        return Table(columns, rows), with_row(rows[at], rows[at])
    if change == "less":
        return Table(columns, rows), with_row()
    if change == "name" or len(columns) == 1:
        names = tuple((f"{name}2" if n == place else name, type) for n, (name, type) in enumerate(columns))
        return Table(columns, rows), Table(names, rows)
    return Table(columns, rows), Table(columns[::-1], tuple(row[::-1] for row in rows))


@settings(max_examples=examples(150), deadline=None)
@given(pairs())
def test_tables_that_differ_in_one_thing_have_different_contents(
    con: duckdb.DuckDBPyConnection, pair: tuple[Table, Table]
) -> None:
    assert content(con, pair[0]) != content(con, pair[1])


@settings(max_examples=examples(30), deadline=None)
@given(pairs(), st.randoms())
def test_the_same_rows_in_another_order_have_the_same_content(
    con: duckdb.DuckDBPyConnection, pair: tuple[Table, Table], random: Any
) -> None:
    rows = list(pair[0].rows)
    random.shuffle(rows)
    assert content(con, Table(pair[0].columns, tuple(rows))) == content(con, pair[0])


@pytest.mark.parametrize("type", sorted(VALUES))
def test_all_values_of_a_type_differ_and_none_is_null(con: duckdb.DuckDBPyConnection, type: str) -> None:
    for wrapped, shape in ((type, "{}"), (f"{type}[]", "[{}]"), (f"STRUCT(a {type})", "struct_pack(a := {})")):
        values = ["null", *(shape.format(f"({value})::{type}") for value in [*VALUES[type], "null"])]
        values = values[:-1] if wrapped == type else values
        found = {content(con, Table((("x", wrapped),), ((value,),))) for value in values}
        assert len(found) == len(values), wrapped
        con.execute(f"create or replace table drawn (x {wrapped}); insert into drawn values {_rows(values)}")
        distinct = f"select count(distinct y) + count(*) - count(y) from (select {exact(con, wrapped, 'x')} as y from drawn)"
        assert con.execute(distinct).fetchall() == [(len(values),)], wrapped


def _rows(values: list[str]) -> str:
    return ", ".join(f"({value})" for value in values)


@pytest.mark.parametrize(
    "one", ["TINYINT", "INTEGER", "BIGINT", "DECIMAL(18,2)", "DATE", "TIMESTAMP", "ENUM('a', 'b')"]
)
def test_another_type_is_another_content(con: duckdb.DuckDBPyConnection, one: str) -> None:
    others = {
        "DATE": ["TIMESTAMP"],
        "TIMESTAMP": ["TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS"],
        "ENUM('a', 'b')": ["ENUM('b', 'a')", "VARCHAR"],
    }
    value = VALUES[one][0]
    for other in [*others.get(one, ["HUGEINT", "DOUBLE", "DECIMAL(18,3)"]), f"{one}[]", f"STRUCT(a {one})"]:
        shape = {f"{one}[]": "[{}]", f"STRUCT(a {one})": "row({})"}.get(other, "{}")
        tables = [Table((("x", one),), ((value,),)), Table((("x", other),), ((shape.format(value),),))]
        assert len({content(con, table) for table in tables}) == 2, other
        assert len({content(con, Table(table.columns, ())) for table in tables}) == 2, other


def test_values_that_are_exchanged_between_rows_or_columns_are_another_content(
    con: duckdb.DuckDBPyConnection,
) -> None:
    columns = (("x", "BIGINT"), ("y", "BIGINT"))
    tables = [
        (("1", "2"), ("3", "4")),
        (("1", "4"), ("3", "2")),
        (("2", "1"), ("4", "3")),
        (("2", "1"), ("3", "4")),
    ]
    assert len({content(con, Table(columns, rows)) for rows in tables}) == len(tables)


def test_every_type_that_duckdb_can_store_is_judged(con: duckdb.DuckDBPyConnection) -> None:
    """A new type of DuckDB fails here: give it values above, and words in etl/exact.py."""
    logical = {row[0] for row in con.execute("select distinct upper(logical_type) from duckdb_types()").fetchall()}
    drawn = {type.split("(")[0] for type in VALUES} | NESTED | VALUELESS
    assert logical - NEVER_STORED <= drawn
    ids = {con.dtype(type).id for type in VALUES}
    assert ids | {name.lower() for name in NESTED | VALUELESS} == KNOWN
    with pytest.raises(duckdb.Error):
        con.execute("create or replace table never (x type)")


def test_a_column_of_nothing_but_nulls_without_a_type_is_content(con: duckdb.DuckDBPyConnection) -> None:
    tables = [
        Table((("x", '"NULL"'), (name, '"NULL"[]')), (("null", "[null]"),) * rows) for name, rows in DIFFERENT
    ]
    assert len({content(con, table) for table in tables}) == len(tables)


def test_when_a_row_was_loaded_is_no_content_and_the_file_is_none_of_a_raw_table() -> None:
    columns = (("id", "BIGINT"), ("_file", "VARCHAR"), ("_loaded_at", "TIMESTAMP WITH TIME ZONE"))
    assert [name for name, _ in counted("raw.sales", columns)] == ["id"]
    assert [name for name, _ in counted("marts.files", columns)] == ["id", "_file"]
    assert counted("marts.own", (("_loaded_at", "DATE"),)) == (("_loaded_at", "DATE"),)


def test_a_wide_table_has_the_content_that_it_has_however_duckdb_plans_it(con: duckdb.DuckDBPyConnection) -> None:
    columns = tuple((f"c{n}", ("VARCHAR", "BIGINT", "DOUBLE")[n % 3]) for n in range(240))
    con.execute(
        f"create or replace table wide as select {', '.join(f'range::{t} as {n}' for n, t in columns)} from range(9)"
    )
    con.execute("set disabled_optimizers = 'top_n'")
    query = f"select {row_hashes(con, 'wide', columns)} from wide"

    assert read_hashes(con, query, len(columns)) == con.execute(query).fetchall()
    assert con.execute("select current_setting('disabled_optimizers')").fetchall() == [("top_n",)]
    con.execute("reset disabled_optimizers")
