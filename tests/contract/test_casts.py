"""A value as another type is the same one, or refused: of snapshots, Python models and rows of unit tests."""

import re
from typing import Any

import duckdb
import pytest

from etl.contract.casts import exact_cast


@pytest.mark.parametrize(
    ("held", "wanted", "sound", "bent"),
    [
        ("DOUBLE", "BIGINT", "3.0", "3.5"),
        ("DECIMAL(9,3)", "DECIMAL(9,2)", "1.250", "1.255"),
        ("BIGINT", "DOUBLE", "9007199254740992", "9007199254740993"),
        ("BIGINT", "TINYINT", "127", "128"),
        ("TIMESTAMP", "DATE", "2024-01-01 00:00:00", "2024-01-01 10:00:00"),
        ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "2024-03-31 01:59:00", "2024-03-31 02:30:00"),
        ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "2024-10-27 03:00:00", "2024-10-27 02:30:00"),
        ("TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "2024-10-27 03:00:00", "2024-10-27 02:30:00"),
        (
            "TIMESTAMP_NS",
            "TIMESTAMP WITH TIME ZONE",
            "2024-01-01 03:00:00.123456",
            "2024-01-01 03:00:00.123456789",
        ),
        ("TIMESTAMP_NS", "TIMESTAMP", "2024-01-01 03:00:00.123456", "2024-01-01 03:00:00.123456789"),
        ("TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "2024-10-27 01:30:00+00", "2024-10-27 00:30:00+00"),
        ("DOUBLE", "DECIMAL(9,2)", "1.25", "1.255"),
        ("DOUBLE[]", "BIGINT[]", "[1.0, 2.0]", "[1.0, 2.5]"),
        ("STRUCT(a DECIMAL(9,3))", "STRUCT(a DECIMAL(9,2))", "{'a': 1.250}", "{'a': 1.255}"),
        ("VARCHAR", "DECIMAL(9,2)", "1.25", "1.255"),
        ("VARCHAR", "BIGINT", "12", "1.5"),
        ("VARCHAR", "TIMESTAMP WITH TIME ZONE", "2024-10-27 03:00:00", "2024-10-27 02:30:00"),
    ],
)
def test_a_value_is_kept_or_refused(held: str, wanted: str, sound: str, bent: str) -> None:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'Europe/Berlin'")

        def cast(text: str | None) -> Any:
            return con.execute(
                f"select {exact_cast('x', held, wanted)} from (select cast(? as {held}) as x)", [text]
            ).fetchone()[0]

        assert cast(sound) is not None
        assert cast(None) is None
        with pytest.raises(duckdb.Error, match=f"column x: .* is not a {re.escape(wanted)}"):
            cast(bent)


@pytest.mark.parametrize(("held", "wanted"), [("DOUBLE", "FLOAT"), ("DECIMAL(18,17)", "DOUBLE")])
def test_floating_point_numbers_are_of_the_precision_that_is_wanted(held: str, wanted: str) -> None:
    with duckdb.connect() as con:
        (value,) = con.execute(
            f"select {exact_cast('x', held, wanted, True)} from (select 1/3::{held} as x)"
        ).fetchone()
    assert value == pytest.approx(1 / 3)
