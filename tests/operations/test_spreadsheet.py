"""A spreadsheet gets CSV files that it can't run, and that come back as they went."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.operations.spreadsheet import guarded_sql, guarded_text_sql, unguarded, with_line_ends

ODD = st.text(st.sampled_from("'=+-@\t\r\n0179.,:/ eEaA%|\"\uff1d"), max_size=12)


def guarded(text: str | None) -> str:
    """Return what SQL writes for a text."""
    ((cell,),) = duckdb.execute(
        f"select {guarded_text_sql('x')} from (select $1::varchar as x)", [text]
    ).fetchall()
    return str(cell)


@given(ODD | st.text())
def test_every_text_comes_back_and_none_is_run(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    assert cell.lstrip(" ")[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n")


@pytest.mark.parametrize(
    "text",
    [
        "007",
        "1e5",
        "12345678901234567890",
        "2024-03-01",
        "3/4/24",
        "1.000,50",
        "12:30",
        "TRUE",
        "Mar 1",
        "1-Jan-4",
    ],
)
def test_what_a_spreadsheet_would_write_in_its_own_way_is_kept_as_text(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["1,book,2", "four|pen", "Köln", "may I", "", "a=b"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert guarded(text) == text


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1+1", "'=1+1"), (" @x", "' @x"), ("-5", "-5"), ("-5a", "'-5a"), ("'a", "''a"), ("a", "a"), (None, None)],
)
def test_sql_guards_the_same(text: str | None, cell: str | None) -> None:
    query = f"select {guarded_sql('x')} from (select $1::varchar as x)"
    assert duckdb.execute(query, [text]).fetchall() == [(cell,)]


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_are_those_of_the_original(end: str) -> None:
    assert with_line_ends("a\nb\nc", f"x{end}y") == f"a{end}b{end}c"
    assert with_line_ends("a\nb", "no line end") == "a\nb"


@pytest.mark.parametrize("value", ["'=1+1'::enum_of_formula", "'=1+1'::blob", "union_value(x := '=1+1')"])
def test_what_becomes_text_in_a_csv_file_is_guarded_whatever_its_type(value: str) -> None:
    with duckdb.connect() as con:
        con.execute("create type enum_of_formula as enum ('=1+1')")
        assert con.execute(f"select {guarded_sql('x')} from (select {value} as x)").fetchall() == [("'=1+1",)]
