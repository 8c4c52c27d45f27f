"""A text is a value of its column's type exactly, or none: over all plain types and what senders write."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.engines import pandas_engine

from etl.contract import Column
from etl.contract.parse import parsed
from etl.contract.types import duckdb_type
from tests.support import roads
from tests.support.thorough import examples

CONNECTION = duckdb.connect()
CONNECTION.execute("set TimeZone = 'Europe/Berlin'")
SECONDS = {"week": 604_800, "day": 86_400, "hour": 3600, "minute": 60, "second": 1}
NUMBERS = st.from_regex(r"[+-]?[0-9]{0,20}(\.[0-9]{0,8})?", fullmatch=True)
#: Nanoseconds since 1970, of which no part of a microsecond is left.
LATE = 1_704_067_200_123_456_000
CLOCKS = st.from_regex(r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,10})?", fullmatch=True)


def read(text: str, type: str, shown: str = "{}") -> Any:
    return CONNECTION.execute(f"select {shown.format(parsed('x', type))} from (select ? as x)", [text]).fetchone()[
        0
    ]


@given(NUMBERS, st.sampled_from(["TINYINT", "UBIGINT", "BIGINT", "HUGEINT", "DECIMAL(9,2)", "DECIMAL(38,8)"]))
@settings(max_examples=examples(300), deadline=None)
def test_a_number_is_itself_or_none(text: str, type: str) -> None:
    found = read(text, type, "({})::varchar")
    assert found is None or Decimal(found) == Decimal(text)


@given(
    st.integers(-(10**25), 10**25)
    | st.integers(-(2**54), 2**54)
    | st.integers(0, 80).map(lambda power: 2**power + 1)
    | st.integers(2**23, 2**26),
    st.sampled_from(["DOUBLE", "FLOAT"]),
    st.sampled_from(["", ".", ".0"]),
)
@settings(max_examples=examples(300), deadline=None)
def test_a_whole_number_in_a_float_is_itself_or_what_a_computer_writes_for_it(
    number: int, type: str, end: str
) -> None:
    found = read(f"{number}{end}", type)
    kept = CONNECTION.execute(f"select {number}::varchar::{type}, ({number}::varchar::{type})::varchar").fetchone()
    is_exact = int(kept[0]) == number or int(Decimal(kept[1])) == number
    assert (found is not None) == is_exact


@given(CLOCKS)
@settings(max_examples=examples(200), deadline=None)
def test_no_digit_of_a_second_is_lost(clock: str) -> None:
    for type, text in (
        ("TIME", clock),
        ("INTERVAL", clock),
        ("TIMESTAMP", f"2024-01-01 {clock}"),
        ("TIMESTAMP WITH TIME ZONE", f"2024-01-01 {clock}Z"),
        ("TIMESTAMP WITH TIME ZONE", f"2024-01-01 {clock}"),
    ):
        microsecond = read(text, type, "extract(microsecond from {}) % 1000000")
        digits = clock.partition(".")[2]
        assert microsecond == (int(digits.ljust(6, "0")) if len(digits) <= 6 else None), type


@given(st.from_regex(r"-?[0-9]{1,4}(\.[0-9]{1,8})?", fullmatch=True), st.sampled_from([*SECONDS]))
@settings(max_examples=examples(200), deadline=None)
def test_a_time_span_is_itself_or_none(count: str, unit: str) -> None:
    found = read(f"{count} {unit}s", "INTERVAL", "epoch_us({})")
    due = Decimal(count) * SECONDS[unit] * 1_000_000
    assert found is None or found == due
    assert found is not None or len(count.partition(".")[2]) > 6


@pytest.mark.parametrize("text", ["1", "123456789", "1.5 months", "0.5 years", "1.5", "1 day .0000001 s", "-"])
def test_a_time_span_that_would_have_to_be_guessed_is_none(text: str) -> None:
    assert read(text, "INTERVAL") is None


def test_a_format_with_nine_digits_loses_none() -> None:
    sql = parsed("x", "TIMESTAMP", "%Y-%m-%d %H:%M:%S.%n")
    texts = ["2024-01-01 00:00:00.123456000", "2024-01-01 00:00:00.123456789"]
    found = CONNECTION.execute(f"select ({sql})::varchar from (select unnest(?) as x)", [texts]).fetchall()
    assert found == [("2024-01-01 00:00:00.123456",), (None,)]


@pytest.mark.parametrize(
    "type", [pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.time64("ns"), pa.duration("ns")]
)
def test_nanoseconds_that_would_be_cut_are_refused_with_the_contract(type: pa.DataType) -> None:
    with pytest.raises(ValueError, match=re.escape(f"type {type} has nine digits")):
        duckdb_type(pandas_engine.Engine.dtype(pd.ArrowDtype(type)))
    for unit in ("s", "ms", "us"):
        if pa.types.is_timestamp(type):
            duckdb_type(pandas_engine.Engine.dtype(pd.ArrowDtype(pa.timestamp(unit, type.tz))))


@pytest.mark.parametrize(
    ("type", "arrow", "sound", "bent"),
    [
        ("TIMESTAMP", pa.timestamp("ns"), LATE, LATE + 789),
        (
            "TIMESTAMP WITH TIME ZONE",
            pa.timestamp("ns", "UTC"),
            1_704_067_200_123_456_000,
            1_704_067_200_123_456_789,
        ),
        (
            "TIMESTAMP WITH TIME ZONE",
            pa.timestamp("ns", "UTC"),
            -3_000_000_000_123_456_000,
            -3_000_000_000_123_456_789,
        ),
        ("TIME", pa.time64("ns"), 1_000, 1_001),
        ("BIGINT", pa.float64(), None, 3.5),
        ("DECIMAL(9,2)", pa.decimal128(12, 4), Decimal("1.2500"), Decimal("1.2345")),
        ("DATE", pa.timestamp("us"), None, 1_704_067_200_000_001),
        ("INTERVAL", pa.duration("ns"), None, 123_456_789),
    ],
)
def test_parquet_values_are_kept_exactly_or_rejected(
    tmp_path: Path, type: str, arrow: pa.DataType, sound: Any, bent: Any
) -> None:
    file = roads.parquet({"n": [0, 1], "x": pa.array([sound, bent], arrow)})
    rows, rejects, _ = roads.taken(tmp_path, [Column("x", type, True)], {"x": ["", ""]}, "Parquet", file=file)
    assert ([*rows], rejects) == ([0], {1: "x.dtype"})


@pytest.mark.parametrize("road", roads.ROADS)
def test_no_format_bends_a_text(tmp_path: Path, road: str) -> None:
    bent = {
        "BIGINT": "9007199254740993.5",
        "DOUBLE": "9007199254740993",
        "DECIMAL(9,2)": "1.005",
        "DATE": "2024-01-01 10:00:00",
        "TIME": "10:00:00.1234567",
        "TIMESTAMP": "2024-01-01 10:00:00.1234567",
        "TIMESTAMP WITH TIME ZONE": "2024-01-01 10:00:00.1234567Z",
        "INTERVAL": "00:00:00.1234567",
    }
    for type, text in bent.items():
        assert roads.taken(tmp_path, [Column("x", type, True)], {"x": [text]}, road)[:2] == ({}, {0: "x.dtype"}), (
            type
        )
    days = roads.taken(tmp_path, [Column("x", "INTERVAL", True)], {"x": ["3 days 04:05:06"]}, road)[0]
    assert days == {0: timedelta(3, 4 * 3600 + 306)}
