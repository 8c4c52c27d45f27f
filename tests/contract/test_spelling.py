"""Numbers and dates as senders write them: what is a value in the declared spelling, and only that."""

import re
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract.parse import parsed
from etl.contract.values import Values

GERMAN = Values(decimal=",", thousands=".")
SWISS = Values(thousands="'")
FRENCH = Values(decimal=",", thousands=" ")
ENGLISH = Values(thousands=",")
DAYS = Values(date_format="%d.%m.%Y", timestamp_format="%d/%m/%y %H:%M")
LOCAL = Values(timestamp_format="%Y%m%dT%H%M%S%z")
MARKS = st.sampled_from([GERMAN, SWISS, FRENCH, ENGLISH])


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        yield con


def shown(con, text, type, values, format=""):
    """The text's value as DuckDB shows it, or None."""
    query = f"select ({parsed('x', type, format, values)})::varchar from (select ?::varchar as x)"
    return con.execute(query, [text]).fetchall()[0][0]


@pytest.mark.parametrize(
    ("values", "type", "text", "expected"),
    [
        (GERMAN, "DOUBLE", "1.234.567,5", "1234567.5"),
        (GERMAN, "DOUBLE", "-0,5e3", "-500.0"),
        (GERMAN, "DOUBLE", "nan", "nan"),
        (GERMAN, "DECIMAL(9,2)", "1234,50", "1234.50"),
        (GERMAN, "DECIMAL(9,2)", ",5", "0.50"),
        (GERMAN, "BIGINT", "1.234", "1234"),
        (GERMAN, "BIGINT", "1234", "1234"),
        (SWISS, "DECIMAL(9,2)", "1'234.50", "1234.50"),
        (FRENCH, "DECIMAL(9,2)", "1 234,50", "1234.50"),
        (ENGLISH, "BIGINT", "+1,234,567", "1234567"),
        (DAYS, "DATE", "29.02.2024", "2024-02-29"),
        (DAYS, "TIMESTAMP", "29/02/24 23:59", "2024-02-29 23:59:00"),
        (LOCAL, "TIMESTAMP WITH TIME ZONE", "20240229T230000+0200", "2024-02-29 21:00:00+00"),
        (GERMAN, "VARCHAR", "1.234,5", "1.234,5"),
        (GERMAN, "BOOLEAN", "true", "true"),
    ],
)
def test_a_text_in_the_senders_spelling_becomes_its_value(con, values, type, text, expected):
    assert shown(con, text, type, values) == expected


@pytest.mark.parametrize(
    ("values", "type", "texts"),
    [
        (
            GERMAN,
            "DOUBLE",
            ["1.23", "12.3456", "1.2345,6", "1,2,3", "1,234.5", "1..234", ".234", "1.234.", ",", "", "."],
        ),
        (
            GERMAN,
            "DOUBLE",
            ["0.500", "-0.001", "00.123", "012.345", "0.123.456", "0.500,5", "+0.000", "-01.000.000"],
        ),
        (GERMAN, "DECIMAL(9,2)", ["1,234", "1.5", "1,2.3", "12345678901,0", "1,5e3 "]),
        (GERMAN, "BIGINT", ["1,5", "1.2", "1234.567", "1,0", " 1.234"]),
        (ENGLISH, "BIGINT", ["1,23", ",123", "1,,234", "1 234", "1.234"]),
        (
            DAYS,
            "DATE",
            [
                "2024-02-29",
                "30.02.2024",
                "29.02.24",
                "29.02.2024 ",
                "29.02.2024 1",
                "infinity",
                "epoch",
                "",
                "today",
            ],
        ),
        (DAYS, "TIMESTAMP", ["29/02/2024 23:59", "29/02/24", "29/02/24 24:00", "infinity"]),
        (LOCAL, "TIMESTAMP WITH TIME ZONE", ["20240229T230000", "2024-02-29 23:00:00+02"]),
    ],
)
def test_a_text_in_another_spelling_is_none(con, values, type, texts):
    assert [text for text in texts if shown(con, text, type, values) is not None] == []


def test_a_columns_own_format_goes_before_the_senders(con):
    assert shown(con, "2024/01/31", "DATE", DAYS, "%Y/%m/%d") == "2024-01-31"
    assert shown(con, "31.01.2024", "DATE", DAYS, "%Y/%m/%d") is None


@given(MARKS, st.decimals(-(10**12), 10**12, places=3))
@settings(max_examples=50)
def test_a_number_comes_back_from_any_marks(con, values, number):
    text = f"{number:,}".replace(",", "T").replace(".", values.decimal).replace("T", values.thousands)

    assert Decimal(shown(con, text, "DECIMAL(18,3)", values)) == number


@given(
    MARKS,
    st.text("0123456789.,' -", max_size=9)
    | st.from_regex(r"-?0{0,2}[0-9]{0,3}([.,' ][0-9]{3}){0,2}", fullmatch=True),
)
@settings(max_examples=300)
def test_a_text_is_a_number_only_where_each_mark_stands_right(con, values, text):
    decimal, thousands = re.escape(values.decimal), re.escape(values.thousands)
    right = re.fullmatch(rf"-?([0-9]+|[1-9][0-9]{{0,2}}({thousands}[0-9]{{3}})+)?({decimal}[0-9]*)?", text)

    is_number = bool(right) and any(char.isdigit() for char in text)
    assert (shown(con, text, "DOUBLE", values) is not None) == is_number


@given(st.dates(date(1000, 1, 1)))
@settings(max_examples=50)
def test_a_date_comes_back_from_its_format(con, day):
    assert shown(con, f"{day:%d.%m.}{day.year}", "DATE", DAYS) == str(day)
