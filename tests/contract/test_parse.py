"""Which texts are values of a type: exactly those that lose nothing by becoming one."""

import re
from datetime import date
from itertools import product

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.contract import Column
from etl.contract.parse import parsed
from etl.contract.parse import value as cell_value
from etl.contract.values import Values


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


@pytest.mark.parametrize(
    ("type", "format", "text", "expected"),
    [
        ("DATE", "%d.%m.%Y", "31.12.2024", "2024-12-31"),
        ("DATE", "%d.%m.%Y", "2024-12-31", None),
        ("DATE", "%d.%m.%Y", "31.02.2024", None),
        ("DATE", "%d.%m.%Y", "31.12.2024 ", None),
        ("TIMESTAMP", "%m/%d/%y %H%M", "12/31/24 2359", "2024-12-31 23:59:00"),
        ("TIMESTAMP WITH TIME ZONE", "%Y%m%d %H:%M %z", "20241231 23:00 +0200", "2024-12-31 21:00:00+00"),
    ],
)
def test_a_declared_format_is_the_only_one(type: str, format: str, text: str, expected: str | None) -> None:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        query = f"select ({parsed('x', type, format)})::varchar from (select ?::varchar as x)"
        assert con.execute(query, [text]).fetchall() == [(expected,)]


def test_an_empty_cell_and_an_absent_one_take_the_default() -> None:
    column = Column("n", "DATE", False, default="31.12.2024", format="%d.%m.%Y")
    with duckdb.connect() as con:
        cells = "(values ('01.02.2024'), (null), ('x')) cells(x)"
        found = con.execute(f"select ({cell_value('x', column)})::varchar from {cells}").fetchall()
        assert found == [("2024-02-01",), ("2024-12-31",), (None,)]
        assert con.execute(f"select ({cell_value(None, column)})::varchar").fetchall() == [("2024-12-31",)]
        assert con.execute(f"select {cell_value(None, Column('n', 'DATE', True))}").fetchall() == [(None,)]


# What a text must look like, whatever DuckDB's cast would take: the definition that the SQL is held to.
DAY = r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}"
SHAPES = {
    "TINYINT": r"[+-]?[0-9]+",
    "UINTEGER": r"[+-]?[0-9]+",
    "BIGINT": r"[+-]?[0-9]+",
    "HUGEINT": r"[+-]?[0-9]+",
    "DECIMAL(4,0)": r"[+-]?[0-9]*(\.0*)?",
    "DECIMAL(2,2)": r"[+-]?[0-9]*(\.[0-9]{0,2}0*)?",
    "DECIMAL(15,2)": r"[+-]?[0-9]*(\.[0-9]{0,2}0*)?",
    "DATE": DAY,
    "TIMESTAMP": DAY + r"[ T]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?",
}
# one for all the examples that Hypothesis tries
CONNECTION = duckdb.connect()


def disagreements(type: str, texts: list[str]) -> list[tuple[str, object, object]]:
    """The texts that are read otherwise than by a regular expression and DuckDB's cast, with both results."""
    shaped = [re.fullmatch(SHAPES[type], text) is not None for text in texts]
    query = f"""
        select x, ({parsed("x", type)})::varchar as found, if(fits, try_cast(x as {type}), null)::varchar as due
        from (select unnest(?::varchar[]) as x, unnest(?::boolean[]) as fits)
        where found is distinct from due
    """
    return CONNECTION.execute(query, [texts, shaped]).fetchall()


@pytest.mark.parametrize("type", [type for type in SHAPES if type not in ("DATE", "TIMESTAMP")])
def test_every_short_text_is_a_number_by_its_shape_alone(type: str) -> None:
    texts = ["".join(chars) for size in range(6) for chars in product("01 +-._e5", repeat=size)]
    assert disagreements(type, texts) == []


@given(
    days=st.lists(st.from_regex(r"[+ -]?[0-9]{1,5}[-/ .][0-9]{1,2}[-/ .][0-9]{1,2}( \(BC\)| |Z)?", fullmatch=True))
)
@settings(max_examples=15, deadline=None)
def test_every_text_that_is_like_a_date_is_one_by_its_shape_alone(days: list[str]) -> None:
    odd = [
        "infinity",
        "-infinity",
        "epoch",
        "0000-01-01",
        "0001-01-01",
        "9999-12-31",
        "10000-01-01",
        "0044-03-15 (BC)",
        " 123-01-01",
    ]
    assert disagreements("DATE", [*odd, *days]) == []
    times = ["", " 24:00:00", " 10:00", "T10:00:00", " 10:00:00", " 10:00:00.5", " 10:00:00.50", " 10:00:00+00"]
    assert disagreements("TIMESTAMP", [day + time for day in [*odd, *days] for time in times]) == []


@given(texts=st.lists(st.decimals(allow_nan=False, allow_infinity=False).map(str) | st.integers().map(str)))
@settings(max_examples=15, deadline=None)
def test_every_number_is_read_by_its_shape_alone(texts: list[str]) -> None:
    for type in ("TINYINT", "BIGINT", "HUGEINT", "DECIMAL(2,2)", "DECIMAL(15,2)"):
        assert disagreements(type, texts) == []


def test_a_default_is_its_authors_and_not_in_the_senders_spelling() -> None:
    number = Column("x", "DOUBLE", True, default="1.234")
    day = Column("d", "DATE", True, default="2024-03-01")
    values = Values(decimal=",", thousands=".", date_format="%d.%m.%Y")
    with duckdb.connect() as con:
        for cell in (None, "null::varchar"):
            found = con.execute(f"select {cell_value(cell, number, values)}, {cell_value(cell, day, values)}")
            assert found.fetchall() == [(1.234, date(2024, 3, 1))]
        query = f"select {cell_value('cell', number, values)} from (values ('1.234')) cells(cell)"
        assert con.execute(query).fetchall() == [(1234.0,)]
