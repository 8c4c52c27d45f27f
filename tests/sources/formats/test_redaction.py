"""A delimited record with some cells replaced: nothing else of it changes, or it is not told apart at all."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.sources.formats.csv import Csv
from etl.sources.formats.redaction import redacted_cells
from etl.sources.formats.splitter import Dialect

COLUMNS = ["id", "name", "ssn"]
COMMA = Dialect(b",", b'"', b"", b"", None)


def hide(text: str, format: Csv | None = None, mask: str = "###") -> str | None:
    return (format or Csv()).redacted(text, COLUMNS, {"ssn": lambda cell: mask})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,Ann,123-45-6789", "1,Ann,###"),
        ('1,"Ann ""A"" Lee",123', '1,"Ann ""A"" Lee",###'),
        ('1,"Ann",  123 ', '1,"Ann",###'),
        ('1,Ann,"12,3\n4"', '1,Ann,"###"'),
        ("1,Ann,", "1,Ann,"),
        ('"1",,""', '"1",,"###"'),  # quoted, so it is an empty text and no null
    ],
)
def test_the_cells_of_hidden_columns_are_replaced_and_no_other_character(text: str, expected: str) -> None:
    assert hide(text) == expected


@pytest.mark.parametrize(
    "text", ["1,Ann", "1,Ann,123,4", '1,A"nn,123', '1,"Ann,123', '1,"Ann"x,123', "1,Ann,123\n2,Bob,456", ""]
)
def test_what_is_not_one_record_of_these_columns_is_not_told_apart(text: str) -> None:
    assert hide(text) is None


def test_the_function_gets_the_unquoted_cell_and_a_quoted_one_is_quoted_again() -> None:
    text = '1,"a ""b""","x""y"'
    assert redacted_cells(text, COLUMNS, {"ssn": str.upper, "id": str}, COMMA) == '1,"a ""b""","X""Y"'


def test_an_escape_takes_the_next_character_with_it() -> None:
    dialect = COMMA._replace(escape=b"\\")
    seen: list[str] = []
    hidden = {"ssn": lambda cell: seen.append(cell) or '"\\'}
    assert redacted_cells(r'1,"a\",b","x\"\\y"', COLUMNS, hidden, dialect) == r'1,"a\",b","\"\\"'
    assert seen == ['x"\\y']


def test_escapes_of_copy_are_read_for_the_function_and_written_again() -> None:
    format = Csv(delimiter="\t", quote="", escapes="copy")
    seen: list[str] = []
    hidden = {"ssn": lambda cell: seen.append(cell) or "a\tb\\\n", "name": str.upper}
    text = "1\tx\\\ty\t1\\\n2\\t\\x33"
    assert format.redacted(text, COLUMNS, hidden) == "1\tX\\tY\ta\\tb\\\\\\n"
    assert seen == ["1\n2\t3"]
    assert format.redacted("1\t\\N\t\\N", COLUMNS, hidden) == "1\t\\N\t\\N"


def test_a_hidden_cell_that_stands_for_no_text_is_handed_over_as_its_bytes() -> None:
    seen: list[str] = []
    hidden = {"ssn": lambda cell: seen.append(cell) or "#"}
    format = Csv(delimiter="\t", quote="", escapes="copy")
    assert format.redacted("1\ta\t\\377", COLUMNS, hidden) == "1\ta\t#"
    assert seen == ["\\xff"]


@pytest.mark.parametrize(
    ("format", "text", "expected"),
    [
        (Csv(delimiter="||"), "1||a|b||3", "1||a|b||###"),
        (Csv(delimiter="|", quote=""), '1|"|3', '1|"|###'),
        (Csv(null=("NA", "")), "1,a,NA", "1,a,NA"),
        (Csv(trailing_delimiter=True), "1,a,3,", "1,a,###,"),
        (Csv(trailing_delimiter=True), "1,a,3", None),
        (Csv(delimiter="#"), "1#a#3", '1#a#"###"'),  # the mask holds the delimiter
        (Csv(delimiter="#", quote=""), "1#a#3", None),  # and there is nothing to quote it with
    ],
)
def test_every_dialect_is_told_apart_in_its_own_way(format: Csv, text: str, expected: str | None) -> None:
    assert hide(text, format) == expected


def test_a_column_that_is_there_twice_is_hidden_twice() -> None:
    assert redacted_cells("1,2,3", ["a", "b", "a"], {"a": lambda cell: "#"}, COMMA) == "#,2,#"


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(max_examples=200)
@given(st.lists(st.one_of(CELLS, st.text('a,"\n\r ', max_size=5)), min_size=3, max_size=3), CELLS)
def test_python_reads_back_the_same_cells_but_for_the_hidden_one(cells: list[str], mask: str) -> None:
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="").writerow(cells)

    found = hide(line.getvalue(), mask=mask)

    assert found is not None
    assert next(csv.reader(io.StringIO(found, newline=""), strict=True)) == [*cells[:2], mask]
