"""Which texts are values of a type: exactly those that lose nothing by becoming one."""

import duckdb
import pytest

from etl.contract.parse import parsed


def value(text: str, type: str) -> str | None:
    """The text's value as DuckDB shows it, or None."""
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        query = f"select ({parsed('x', type)})::varchar from (select ?::varchar as x)"
        return con.execute(query, [text]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("type", "text", "expected"),
    [
        ("VARCHAR", " é'\"", " é'\""),
        ("VARCHAR", "", ""),
        ("BIGINT", "-007", "-7"),
        ("BIGINT", "+5", "5"),
        ("UTINYINT", "255", "255"),
        ("HUGEINT", "170141183460469231731687303715884105727", "170141183460469231731687303715884105727"),
        ("DOUBLE", "1.5e3", "1500.0"),
        ("DOUBLE", ".5", "0.5"),
        ("DOUBLE", "NaN", "nan"),
        ("DOUBLE", "-inf", "-inf"),
        ("DECIMAL(5,2)", "-1.2", "-1.20"),
        ("DECIMAL(5,2)", "1.2000", "1.20"),
        ("DECIMAL(5,2)", "999.99", "999.99"),
        ("DATE", "2024-02-29", "2024-02-29"),
        ("TIME", "23:59", "23:59:00"),
        ("TIMESTAMP", "2024-02-29T23:59:59.123456", "2024-02-29 23:59:59.123456"),
        ("TIMESTAMP", "2024-02-29 23:59", "2024-02-29 23:59:00"),
        ("TIMESTAMP WITH TIME ZONE", "2024-02-29T23:00:00+02:00", "2024-02-29 21:00:00+00"),
        ("TIMESTAMP WITH TIME ZONE", "2024-02-29 23:00:00Z", "2024-02-29 23:00:00+00"),
        ("TIMESTAMP WITH TIME ZONE", "2024-02-29 23:00:00", "2024-02-29 23:00:00+00"),
        ("BOOLEAN", "TRUE", "true"),
        ("BOOLEAN", "f", "false"),
        ("BOOLEAN", "1", "true"),
        ("INTERVAL", "3 days", "3 days"),
    ],
)
def test_a_text_that_is_a_value_becomes_it(type: str, text: str, expected: str) -> None:
    assert value(text, type) == expected


@pytest.mark.parametrize(
    ("type", "texts"),
    [
        ("BIGINT", ["1.5", "1.0", "1e3", "0x1F", "0b1", "1_000", "1,000", " 1", "1 ", "", "٣", "--1", str(2**63)]),
        ("UTINYINT", ["-1", "256"]),
        ("DOUBLE", ["1_0", "0x1p3", "1,5", "", " 1", "infinit", "."]),
        ("DECIMAL(5,2)", ["1.234", "1000", "1e2", "", ".", "-", "1,5", "NaN", "1_0", "0.005"]),
        ("DATE", ["2024-02-30", "2024-13-01", "2024-3-1", "2024-02-29 10:00", "24-2-9", "epoch", "", "2024/2/9"]),
        ("TIME", ["24:30", "1:30", "10:61", "", "10:00:00+01"]),
        ("TIMESTAMP", ["2024-02-30 10:00:00", "2024-02-29", "2024-02-29 25:00:00", "2024-02-29 10:00:00Z", "now"]),
        ("TIMESTAMP WITH TIME ZONE", ["2024-02-29", "2024-02-29 10:00 CET", "2024-02-29 10:00+99:99", "infinity"]),
        ("BOOLEAN", ["yes", "2", "", "on"]),
    ],
)  # fmt: skip
def test_a_text_that_would_have_to_be_bent_is_none(type: str, texts: list[str]) -> None:
    assert {text: value(text, type) for text in texts} == dict.fromkeys(texts)


def test_a_number_that_overflows_a_double_is_none() -> None:
    assert value("1e400", "DOUBLE") is None
    assert value("1e39", "FLOAT") is None


def test_a_null_stays_null_for_every_type() -> None:
    with duckdb.connect() as con:
        for type in ("BIGINT", "DECIMAL(5,2)", "DATE", "VARCHAR"):
            assert con.execute(f"select {parsed('null::varchar', type)}").fetchall() == [(None,)]
