"""Where each record is, for every kind of dirt: a broken line costs itself and nothing after it."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.sources.formats.splitter import Dialect, cells, line_end, line_start, split

COMMA = Dialect(b",", b'"', b"", b"", 2)
ESCAPED = COMMA._replace(escape=b"\\")
STRAY = "a quote is stray or not closed"
#: Bytes that mean something to a dialect, and some that do not.
DIRT = st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"\r\n", b"a", b"\0", b"\xff", "é".encode()]))


def found(content: bytes, dialect: Dialect = COMMA) -> list[tuple[int, bytes, str]]:
    """Line, bytes and problem of each record of a comma-separated text."""
    records = split(content, 0, 1, dialect)
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


def test_blank_lines_and_comment_are_no_records() -> None:
    content = b'\n1,a\r\n\r\n# "\n2,b\n#'

    assert found(content, COMMA._replace(comment=b"#")) == [(2, b"1,a\r\n", ""), (5, b"2,b\n", "")]


def test_comment_starts_where_a_record_would() -> None:
    dialect = COMMA._replace(comment=b"#")

    assert [problem for _, _, problem in found(b'1,#a\n2,"\n#"\n', dialect)] == ["", ""]


def test_the_delimiter_may_be_longer_than_a_character_and_the_quote_none() -> None:
    ((_, text, problem),) = found(b'1||"a|b', Dialect(b"||", b"", b"", b"", 2))

    assert (text, problem) == (b'1||"a|b', "")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (rb'1,"a\"b"', ""),
        (rb'1,"a\\"', ""),
        (b'1,"a\\\nb"', ""),
        (rb"1,a\b", ""),
        (rb"1,a\,b", "3 cells where the contract has 2"),
        (rb'1,"a\\"b"', STRAY),
        (rb'1,"a""b"', ""),
        (rb'1,"a\"', STRAY),
        (rb"1,\"a", STRAY),
    ],
)
def test_with_an_escape_the_byte_behind_it_is_literal_within_quotes(line: bytes, problem: str) -> None:
    assert found(line, ESCAPED)[0][2] == problem


def test_a_record_that_duckdb_would_not_take_is_broken_and_no_more_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("etl.sources.formats.splitter.MAX_RECORD_BYTES", 9)

    content = b'1,6789abc\r\n1,6789abcd\r\n1,"\n89abc"\n1,"\n89ab"\n'

    assert found(content) == [
        (1, b"1,6789abc\r\n", ""),
        (2, b"1,6789abcd\r\n", "the record is longer than 9 bytes; max_record_bytes= of the format allows more"),
        (3, b'1,"\n', STRAY),
        (4, b'89abc"\n', STRAY),
        (5, b'1,"\n89ab"\n', ""),
    ]


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
    assert cells(line, COMMA) == expected


@pytest.mark.parametrize(
    ("line", "dialect", "expected"),
    [
        (rb'"a\"\\\n",\"', ESCAPED, ['a"\\\\n', '\\"']),
        (b'"a\\\xff","b"', ESCAPED, ["a\\\\xff", "b"]),
        (b"||||x|||", Dialect(b"||", b"", b"", b"", None), ["", "", "x", "|"]),
        (b'a,b"c,"d,e"', COMMA, ["a", 'b"c', "d,e"]),
    ],
)
def test_the_cells_of_any_line_are_told(line: bytes, dialect: Dialect, expected: list[str]) -> None:
    assert cells(line, dialect) == expected


def test_a_physical_line_is_found_from_either_end() -> None:
    long = b"x" * 10_000
    content = b"a\r\n" + long + b"\r\n\r" + b"b\nc"
    starts = [0, 3, 10_005, 10_006, 10_008]

    assert [line_start(content, end) for end in [*starts[1:], len(content)]] == starts
    assert [line_end(content, start) for start in starts] == [*starts[1:], len(content)]


@given(DIRT.map(b"".join), st.sampled_from([None, 1, 2, 3]))
@example(b'"', 1)
@example(b'"\n"', 1)
def test_any_bytes_but_blank_lines_are_covered_from_first_to_last(content: bytes, width: int | None) -> None:
    records = list(split(content, 0, 1, COMMA._replace(width=width)))

    gaps = zip(
        [0, *(record.end for record in records)],
        [*(record.start for record in records), len(content)],
        strict=True,
    )
    assert all(content[start:end].strip(b"\r\n") == b"" and start <= end for start, end in gaps)
    assert all(record.start < record.end for record in records)
    lines = [len(content[: record.start].splitlines()) + 1 for record in records]
    assert [record.line for record in records] == lines


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=2, max_size=2)))
def test_what_the_csv_module_writes_is_sound(table: list[list[str]]) -> None:
    written = io.StringIO()
    csv.writer(written).writerows(table)
    content = written.getvalue().encode()

    records = list(split(content, 0, 1, COMMA))

    assert [record.problem for record in records] == [""] * len(table)
    texts = [content[record.start : record.end].removesuffix(b"\r\n") for record in records]
    assert [cells(text, COMMA) for text in texts] == table


def test_quotes_everywhere_take_no_longer_than_their_length() -> None:
    for line in (b'"a\n', b'"",\n', b'",\n', b'"""\n', b'a,"b\n'):
        content = line * (100_000 // len(line))
        records = split(content, 0, 1, COMMA._replace(width=None))
        assert sum(record.end - record.start for record in records) == len(content)
