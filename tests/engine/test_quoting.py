"""Names and values survive the way through SQL text."""

import datetime as dt
import enum
import math
from decimal import Decimal

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.engine.quoting import identifier, literal, paths, qualified

CON = duckdb.connect()


def test_a_name_is_always_quoted() -> None:
    assert identifier("carrier") == '"carrier"'
    assert identifier('the "best"') == '"the ""best"""'
    assert qualified("marts.flights") == '"marts"."flights"'


@pytest.mark.parametrize("name", ["", "a\0b", "marts."])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a name"):
        qualified(name)


class Color(enum.Enum):
    RED = "r"


@pytest.mark.parametrize(
    ("value", "sql"),
    [
        (None, "null"),
        (True, "true"),
        (-3, "-3"),
        (Decimal("1E+3"), "1000"),
        (0.1, "'0.1'::double"),
        (math.nan, "'nan'::double"),
        (-math.inf, "'-inf'::double"),
        ("it's\n", "'it''s\n'"),
        ("a\0b", "('a' || chr(0) || 'b')"),
        (b"\x00a", "'\\x00\\x61'::blob"),
        (dt.date(2013, 1, 1), "date '2013-01-01'"),
        (dt.time(23, 59), "time '23:59:00'"),
        (dt.timedelta(seconds=-1), "to_microseconds(-1000000)"),
        (dt.datetime(2013, 1, 1, 5), "timestamp '2013-01-01 05:00:00'"),
        (
            dt.datetime(2013, 1, 1, 5, tzinfo=dt.timezone(dt.timedelta(hours=5))),
            "timestamptz '2013-01-01 00:00:00+00:00'",
        ),
        (np.int8(-1), "-1"),
        (np.bool_(False), "false"),
        (np.float32(0.5), "'0.5'::double"),
        (Color.RED, "'r'"),
        ([1, ("a", None)], "[1, ['a', null]]"),
    ],
)
def test_a_value_is_written_as_duckdb_sql(value: object, sql: str) -> None:
    assert literal(value) == sql


values = (
    st.booleans()
    | st.integers(-(2**127) + 1, 2**127 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas(dt.timedelta(-900_000), dt.timedelta(900_000))
    | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20)
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_duckdb_reads_back_the_same_value(value: object) -> None:
    row = CON.execute(f"select {literal(value)}").fetchone()
    assert row == (value,)


@given(st.datetimes(dt.datetime(2, 1, 1), timezones=st.timezones()))
@settings(max_examples=50, deadline=None)
def test_a_moment_keeps_its_instant_whatever_its_time_zone(moment: dt.datetime) -> None:
    (micros,) = CON.execute(f"select epoch_us({literal(moment)})").fetchone() or (None,)
    assert micros == (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (2**200, "outside of DuckDB's integers"),
        (Decimal("nan"), "not a DECIMAL"),
        (Decimal(10) ** 39, "at most 38 digits"),
        ("\ud800", "surrogate"),
        (dt.time(1, tzinfo=dt.UTC), "time zone"),
        (object(), "has no SQL literal"),
        ({"a": 1}, "dict has no SQL literal"),
        (np.array([1, 2]), "ndarray has no SQL literal"),
    ],
)
def test_a_value_without_an_exact_literal_is_refused(value: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        literal(value)


def test_a_path_with_wildcards_names_one_file(tmp_path):
    for name in ("a[1].csv", "a*.csv", "a?.csv", "a1.csv"):
        (tmp_path / name).write_text(f"x\n{name}\n")

    for name in ("a[1].csv", "a*.csv", "a?.csv"):
        assert duckdb.execute(f"from read_csv({paths([tmp_path / name])})").fetchall() == [(name,)]
