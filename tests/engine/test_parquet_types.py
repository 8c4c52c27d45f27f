"""An export holds exactly what the table holds, whatever its types, or is refused when it is planned."""

from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.engine.parquet_types import refused, stored_as
from etl.errors import ConfigError
from tests.support import tiny
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled

#: Values of each type, its limits among them.
VALUES = {
    "ARRAY": ["[1, 2]::int[2]"],
    "BIGINT": ["-9223372036854775808"],
    "BIGNUM": ["'-123456789012345678901234567890123456789012345'::bignum"],
    "BIT": ["'0101'::bit"],
    "BLOB": ["'\\xAA\\x00'::blob"],
    "BOOLEAN": ["true"],
    "DATE": ["'infinity'::date", "'5877642-06-25 (BC)'::date"],
    "DECIMAL": ["'0.0000000000000000000000000000000000001'::decimal(38, 37)"],
    "DOUBLE": ["'-0.0'::double", "'nan'::double", "5e-324::double"],
    "ENUM": ["'INTERVAL'::enum('INTERVAL', 'a')"],
    "FLOAT": ["'-inf'::float", "1e-45::float"],
    "GEOMETRY": ["'POINT Z (1 2 3)'::geometry"],
    "HUGEINT": ["99999999999999999999999999999999999999::hugeint", "(-170141183460469231731687303715884105728)"],
    "INTEGER": ["-2147483648"],
    "INTERVAL": ["interval '1 month 2 days 3 microseconds'", "interval '-1 microsecond'"],
    "LIST": ["[1, null]", "[]::int[]"],
    "MAP": ["map {interval '3 microseconds': 1}"],
    "NULL": ["null"],
    "SMALLINT": ["(-32768)::smallint"],
    "STRUCT": ["{'HUGEINT': 1, 'INTERVAL': 2::hugeint, 'TIME WITH TIME ZONE': 3}"],
    "TIME": ["'24:00:00'::time"],
    "TIME WITH TIME ZONE": ["'12:34:56.123456+03:30'::timetz"],
    "TIMESTAMP": ["'-infinity'::timestamp", "'290309-12-22 (BC) 00:00:00'::timestamp"],
    "TIMESTAMP WITH TIME ZONE": ["'2024-01-01 00:00:00.123456+14'::timestamptz"],
    "TIMESTAMPTZ_NS": ["'2024-01-01 00:00:00.123456789+00'::timestamptz_ns"],
    "TIMESTAMP_MS": ["'294000-01-01 00:00:00.123'::timestamp_ms"],
    "TIMESTAMP_NS": ["'2024-01-01 00:00:00.123456789'::timestamp_ns"],
    "TIMESTAMP_S": ["'290000-01-01'::timestamp_s"],
    "TIME_NS": ["'12:34:56.123456789'::time_ns"],
    "TINYINT": ["(-128)::tinyint"],
    "TUPLE": ["row(1, 2)"],
    "UBIGINT": ["18446744073709551615"],
    "UHUGEINT": ["'340282366920938463463374607431768211455'::uhugeint"],
    "UINTEGER": ["4294967295::uinteger"],
    "UNION": ["union_value(k := 1)"],
    "USMALLINT": ["65535::usmallint"],
    "UTINYINT": ["255::utinyint"],
    "UUID": ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid"],
    "VARCHAR": ["'\u00e9' || chr(0)"],
    "VARIANT": ["1::variant", "interval '1 year'::variant"],
}
#: What is a type of no column.
NO_COLUMN = {"TYPE"}


def test_every_type_is_tried() -> None:
    with duckdb.connect() as con:
        known = {name for (name,) in con.execute("select distinct logical_type from duckdb_types()").fetchall()}

    assert known == VALUES.keys() | NO_COLUMN


@pytest.mark.parametrize("nested", ["{}", "[{}, null]", "{{'HUGEINT': {}}}", "map {{1: [{}]}}"])
@pytest.mark.parametrize("kind", VALUES)
def test_an_export_round_trips_exactly_or_is_refused(tmp_path: Path, kind: str, nested: str) -> None:
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        for value in VALUES[kind]:
            con.execute(f"create or replace table t as select {nested.format(value)} as c")
            type = con.execute("select data_type from duckdb_columns() where table_name = 't'").fetchall()[0][0]
            if refused(type):
                assert kind in ("UNION", "TUPLE", "VARIANT") or (kind == "GEOMETRY" and nested != "{}")
                continue
            held = [stored_as(type, is_wide=True)]
            fits = f"try_cast(c as {stored_as(type)})::{type} is not distinct from c"
            held += [stored_as(type)] if con.execute(f"select {fits} from t").fetchall()[0][0] else []
            for exact in held:
                con.execute(f"copy (select cast(c as {exact}) as c from t) to '{tmp_path}/t.parquet'")
                query = f"select p.c::{type} is not distinct from t.c, p.c::varchar = t.c::varchar or t.c is null "
                query += f"from t, read_parquet('{tmp_path}/t.parquet') as p"
                assert con.execute(query).fetchall() == [(True, True)], (value, type, exact)


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.integers(-(2**127), 2**127 - 1), min_size=1, max_size=4))
def test_only_integers_of_more_than_38_digits_do_not_fit_a_decimal(values: list[int]) -> None:
    with duckdb.connect() as con:
        con.execute("create table t (c hugeint)")
        con.executemany("insert into t values (?::hugeint)", [[str(value)] for value in values])
        fits = con.execute(
            "select try_cast(c as decimal(38, 0))::hugeint is not distinct from c from t"
        ).fetchall()

    assert [fit for (fit,) in fits] == [len(str(abs(value))) <= 38 for value in values]


def test_integers_become_text_in_all_files_when_one_of_them_is_too_long_for_a_decimal(tmp_path: Path) -> None:
    daily = (
        "-- materialized: incremental\n-- partition: delivery_date\n-- export: parquet\n"
        "select delivery_date, sum(id) * FACTOR::hugeint as ids from raw.sales group by all"
    )
    project = tiny.project(tmp_path, sql={"marts/daily.sql": daily.replace("FACTOR", "1")})
    tiny.night(project)
    query = "select any_value(typeof(ids)), list(ids::varchar order by ids) "
    query += f"from read_parquet('{project.lake}/marts/daily/*/*.parquet')"
    assert exported(query) == [("DECIMAL(38,0)", ["3", "3"])]
    huge = "5" + "0" * 37
    (project.sql / "marts" / "daily.sql").write_text(daily.replace("FACTOR", f"'{huge}'"))

    tiny.night(project)

    assert exported(query) == [("VARCHAR", [f"15{'0' * 37}"] * 2)]


def exported(query: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as con:
        return con.execute(query).fetchall()


@pytest.mark.parametrize("value", ["union_value(k := id)", "[row(id, 2)]", "id::variant"])
def test_an_export_that_parquet_cannot_hold_is_refused_at_planning(tmp_path: Path, value: str) -> None:
    project = tiny.project(
        tmp_path, sql={"marts/items.sql": f"-- export: parquet\nselect {value} as bent from raw.sales"}
    )

    message = r"marts/items.sql:1: export: Parquet cannot hold column 'bent' of marts.items exactly"
    with pytest.raises(ConfigError, match=message):
        tiny.plan(project)
