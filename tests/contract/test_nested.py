"""Lists, structs and maps from JSON text: only what loses nothing on the way."""

from typing import Any

import duckdb
import pytest

from etl.contract.nested import nested
from etl.contract.parse import parsed

STRUCT = 'STRUCT(a BIGINT, "b ""c" VARCHAR[], "d/e" STRUCT(f DATE))'


def value(text: str | None, type: str) -> Any:
    with duckdb.connect() as con:
        con.execute("create table cells (cell varchar)")
        con.execute("insert into cells values (?)", [text])
        (row,) = con.execute(f"select {parsed('cell', type)} as value, typeof(value) from cells").fetchall()
        assert row[1] == type or row[1] == '"NULL"'
        return row[0]


@pytest.mark.parametrize(
    ("text", "type", "expected"),
    [
        ("[1, 2]", "BIGINT[]", [1, 2]),
        ("[]", "BIGINT[]", []),
        ("[1, null]", "BIGINT[]", [1, None]),
        ("[[1], null]", "BIGINT[][]", [[1], None]),
        ("[1, 2]", "BIGINT[2]", (1, 2)),
        ('["a\\"b,]", "nan,]"]', "VARCHAR[]", ['a"b,]', "nan,]"]),
        ("[1.5, 2, -1e3]", "DOUBLE[]", [1.5, 2.0, -1000.0]),
        ('{"x": 1, "y": null}', "MAP(VARCHAR, BIGINT)", {"x": 1, "y": None}),
        ('{"a": 1}', STRUCT, {"a": 1, 'b "c': None, "d/e": None}),
    ],
)
def test_json_of_the_type_is_its_value(text: str, type: str, expected: Any) -> None:
    assert value(text, type) == expected


@pytest.mark.parametrize(
    ("text", "type"),
    [
        (None, "BIGINT[]"),
        ("", "BIGINT[]"),
        ("[1", "BIGINT[]"),
        ("[1,]", "BIGINT[]"),
        ("[1] // one", "BIGINT[]"),
        ("[1.5]", "BIGINT[]"),
        ("[1.0]", "BIGINT[]"),
        ('["1"]', "BIGINT[]"),
        ("[99999999999999999999]", "BIGINT[]"),
        ("[[1], 2]", "BIGINT[][]"),
        ("[1, 2, 3]", "BIGINT[2]"),
        ("1", "BIGINT[]"),
        ("[1]", "VARCHAR[]"),
        ("[NaN]", "DOUBLE[]"),
        ("[1e400]", "DOUBLE[]"),
        ("[0.1234567890123456789]", "DECIMAL(38,19)[]"),
        ("[1.005]", "DECIMAL(9,2)[]"),
        ('["2024-02-30"]', "DATE[]"),
        ('{"a": 1, "a": 2}', STRUCT),
        ('{"unknown": 1}', STRUCT),
        ('{"d/e": {"f": 5}}', STRUCT),
        ('{"1": 1, "01": 2}', "MAP(BIGINT, BIGINT)"),
    ],
)
def test_json_that_would_lose_something_is_no_value(text: str | None, type: str) -> None:
    assert value(text, type) is None


def test_a_long_decimal_is_exact_when_it_is_written_as_text() -> None:
    assert str(value('["0.1234567890123456789"]', "DECIMAL(38,19)[]")[0]) == "0.1234567890123456789"


def test_the_parts_of_a_type_are_read_from_its_name() -> None:
    parts = nested(STRUCT)
    assert parts is not None
    assert parts.names == ("a", 'b "c', "d/e")
    assert parts.parts == ("BIGINT", "VARCHAR[]", "STRUCT(f DATE)")
    assert nested("DECIMAL(9,2)") is None
