"""Where each record is, for every kind of dirt: a broken line costs itself and nothing after it."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.formats.splitter import cells, split

STRAY = "a quote is stray or not closed"
#: Bytes that mean something to a dialect, and some that do not.
DIRT = st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"\r\n", b"a", b"\0", b"\xff", "é".encode()]))


def found(content: bytes, width: int | None = 2) -> list[tuple[int, bytes, str]]:
    """Line, bytes and problem of each record of a comma-separated text."""
    records = split(content, 0, ",", '"', width)
    return [(record.line, content[record.start : record.end], record.problem) for record in records]


def test_each_record_has_its_physical_line_and_its_bytes() -> None:
    assert found(b"1,a\n2,b\n") == [(1, b"1,a\n", ""), (2, b"2,b\n", "")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"1,a,x", "3 cells where the contract has 2"),
        (b"1,a,", "3 cells where the contract has 2"),
        (b"1", "1 cells where the contract has 2"),
        (b'1,a"b', STRAY),
        (b'1,"a"b', STRAY),
        (b'1,"a', STRAY),
        (b'"1,a', STRAY),
        (b"1,a\0", "a cell holds a NUL character"),
        (b"1,\xff", "the text is not UTF-8"),
    ],
)
def test_a_broken_line_costs_itself_only(line: bytes, problem: str) -> None:
    content = b"0,z\n" + line + b"\n2,b\n"

    assert found(content) == [(1, b"0,z\n", ""), (2, line + b"\n", problem), (3, b"2,b\n", "")]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_are_counted_by_any_line_end(end: bytes) -> None:
    content = b"1,a" + end + b'2,"b' + end + b'b"' + end + b"3,c"

    assert found(content) == [(1, b"1,a" + end, ""), (2, b'2,"b' + end + b'b"' + end, ""), (4, b"3,c", "")]


def test_mixed_line_ends_each_end_a_record() -> None:
    assert [text for _, text, _ in found(b"1,a\r2,b\n3,c\r\n4,d")] == [b"1,a\r", b"2,b\n", b"3,c\r\n", b"4,d"]


def test_an_unterminated_quote_does_not_swallow_the_file() -> None:
    content = b'1,"a\n2,b\n3,c\n'

    assert [(line, problem) for line, _, problem in found(content)] == [(1, STRAY), (2, ""), (3, "")]


def test_blank_lines_are_there_for_the_caller_to_leave_out() -> None:
    assert [(line, text) for line, text, _ in found(b"1,a\n\n2,b\n")] == [(1, b"1,a\n"), (2, b"\n"), (3, b"2,b\n")]


def test_the_delimiter_may_be_longer_than_a_character_and_the_quote_none() -> None:
    (record,) = split(b'1||"a|b', 0, "||", "", 2)

    assert (record.end, record.problem) == (7, "")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"a,b", ["a", "b"]),
        (b"a,,", ["a", "", ""]),
        (b'"a,""b""",c', ['a,"b"', "c"]),
        (b"", [""]),
        (b"\xff,b", ["\\xff", "b"]),
    ],
)
def test_the_cells_of_a_line_are_unquoted(line: bytes, expected: list[str]) -> None:
    assert cells(line, ",", '"') == expected


@given(DIRT.map(b"".join), st.sampled_from([None, 1, 2, 3]))
@example(b'"', 1)
@example(b'"\n"', 1)
def test_any_bytes_are_covered_from_first_to_last_without_a_gap(content: bytes, width: int | None) -> None:
    records = list(split(content, 0, ",", '"', width))

    assert [record.start for record in records] == [0, *(record.end for record in records)][: len(records)]
    assert content == b"".join(content[record.start : record.end] for record in records)
    assert all(record.start < record.end for record in records)
    lines = [len(content[: record.start].splitlines()) + 1 for record in records]
    assert [record.line for record in records] == lines


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=2, max_size=2)))
def test_what_the_csv_module_writes_is_sound(table: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written).writerows(table)
    content = written.getvalue().encode()

    records = list(split(content, 0, ",", '"', 2))

    assert [record.problem for record in records] == [""] * len(table)
    texts = [content[record.start : record.end].removesuffix(b"\r\n") for record in records]
    assert [cells(text, ",", '"') for text in texts] == table


def test_a_megabyte_of_quotes_takes_no_longer_than_its_length() -> None:
    for line in (b'"a\n', b'"",\n', b'",\n', b'"""\n', b'a,"b\n'):
        content = line * (1_000_000 // len(line))
        assert sum(record.end - record.start for record in split(content, 0, ",", '"', None)) == len(content)
