"""The scanner finds at the speed of memory what the splitter finds line by line, for every kind of dirt."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etl.sources.formats import scanner, splitter
from etl.sources.formats.limits import too_long
from etl.sources.formats.scanner import Dialect, Record, Stretch, Traits, normalized, record_spans, scan
from etl.sources.formats.splitter import MAX_RECORD_BYTES, split, step

COMMA = Dialect(b",", b'"', b"", b"", 2)
STRAY = "a quote is stray or not closed"


def dirt(dialect: Dialect) -> st.SearchStrategy[bytes]:
    """Return texts of records, most of them sound, and of all bytes that mean something to a dialect."""
    quote = dialect.quote
    marks = [mark for mark in dialect[:4] if mark]
    halves = [mark[:1] for mark in marks if len(mark) > 1]
    pieces = [*marks, *halves, b"\r", b"\n", b"\r\n", b"\0", b"a", "é".encode(), b"\xff"]
    junk = st.lists(st.sampled_from(pieces), max_size=8).map(b"".join)
    within = [b"", b"\n", b"\r\n", b"a\r", dialect.delimiter, (dialect.escape or quote) + quote]
    cells = [b"", b"a", "é".encode(), *(quote + text + quote for text in within if quote)]
    record = st.lists(st.sampled_from(cells), min_size=dialect.width or 1, max_size=dialect.width or 3)
    line = st.tuples(record.map(dialect.delimiter.join), st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]))
    return st.lists(st.one_of(line.map(b"".join), line.map(b"".join), junk), max_size=12).map(b"".join)


DIALECTS = st.builds(
    lambda delimiter, marks, comment, width: Dialect(delimiter, marks[0], marks[1], comment, width),
    st.sampled_from([b",", b"||", b"|-|", b"abab", b"aab", "§".encode()]),
    st.sampled_from([(b'"', b""), (b'"', b""), (b'"', b"\\"), (b"", b"")]),
    st.sampled_from([b"", b"#", b"--", b"#|"]),
    st.sampled_from([None, 1, 2, 2, 3]),
)
CASES = DIALECTS.flatmap(lambda dialect: st.tuples(st.just(dialect), dirt(dialect)))


def flat(content: bytes, items: list[Stretch | Record], dialect: Dialect) -> list[Record]:
    """Return the records of stretches and the broken ones in one list, as the splitter yields them."""
    found = []
    for item in items:
        if isinstance(item, Record):
            found.append(item)
            continue
        starts, ends, lines = record_spans(content[item.start : item.end], dialect)
        assert len(starts) == item.records > 0
        for start, end, line in zip(starts.tolist(), ends.tolist(), lines.tolist(), strict=True):
            found.append(Record(item.line + line, item.start + start, item.start + end, ""))
    return found


def scanned(content: bytes, dialect: Dialect = COMMA) -> list[tuple[int, bytes, str]]:
    """Line, bytes and problem of each record."""
    items = list(scan(content, 0, len(content), 1, dialect))
    return [(line, content[start:end], problem) for line, start, end, problem in flat(content, items, dialect)]


def body(text: bytes) -> bytes:
    return text.removesuffix(b"\n").removesuffix(b"\r") if text.endswith(b"\n") else text.removesuffix(b"\r")


def seen(content: bytes, dialect: Dialect) -> Traits:
    """Return what there is to see, step by step."""
    traits, start = Traits(), 0
    while start < len(content):
        record, skipped, _ = step(content, start, len(content), 1, dialect)
        text = content[start : record.end]
        traits.newlines |= {text[len(body(text)) :]} - {b""}
        traits.has_gaps |= skipped
        traits.rows += 1
        traits.skipped += skipped
        traits.has_quotes |= bool(dialect.quote) and dialect.quote in text
        traits.has_quoted_newlines |= not skipped and (b"\n" in body(text) or b"\r" in body(text))
        start = record.end
    return traits


def test_a_run_says_where_it_is_and_how_many_records_it_holds() -> None:
    content = b"name,x\n1,a\n2,b\nbroken\n3,c"

    items = list(scan(content, 7, len(content), 2, COMMA))

    assert items == [
        Stretch(7, 15, 2, 2),
        Record(4, 15, 22, "1 cells where the contract has 2"),
        Stretch(22, 25, 5, 1),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"1,a,", "3 cells where the contract has 2"),
        (b",2,y,", "4 cells where the contract has 2"),
        (b"1", "1 cells where the contract has 2"),
        (b'1,a"b', STRAY),
        (b'1,"a"b', STRAY),
        (b'1,"a" ', STRAY),
        (b'"1,a', STRAY),
        (b'1,"a""', STRAY),
        (b"1,a\0", "a cell holds a NUL character"),
        (b"1,\xff", "the text is not UTF-8"),
        (b"-- 3 rows --", "1 cells where the contract has 2"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_broken_line_costs_itself_only(line: bytes, problem: str, end: bytes) -> None:
    content = b'0,"z"' + end + line + end + b"2,b" + end

    assert scanned(content) == [(1, b'0,"z"' + end, ""), (2, line + end, problem), (3, b"2,b" + end, "")]


def test_an_unterminated_quote_does_not_swallow_the_file() -> None:
    content = b'1,"a\n' + b"2,b\n" * 300_000

    items = list(scan(content, 0, len(content), 1, COMMA))

    assert items[0] == Record(1, 0, 5, STRAY)
    assert sum(item.records for item in items[1:] if isinstance(item, Stretch)) == 300_000


def test_a_broken_record_of_many_lines_costs_its_first_line() -> None:
    content = b'1,"a\n2,b\n3",c\n4,"d\n"\n'

    assert scanned(content) == [
        (1, b'1,"a\n', STRAY),
        (2, b"2,b\n", ""),
        (3, b'3",c\n', STRAY),
        (4, b'4,"d\n"\n', ""),
    ]


def test_line_ends_may_be_mixed_and_the_last_may_lack() -> None:
    assert [text for _, text, _ in scanned(b"1,a\r2,b\n3,c\r\n4,d")] == [b"1,a\r", b"2,b\n", b"3,c\r\n", b"4,d"]


def test_physical_lines_are_counted_through_quoted_cells_blank_lines_and_comment() -> None:
    content = b'1,"a\r\nb\rc\nd"\n\n# 2,"\n3,x,\n4,y\n'

    assert [(line, bool(problem)) for line, _, problem in scanned(content, COMMA._replace(comment=b"#"))] == [
        (1, False),
        (7, True),
        (8, False),
    ]


def test_blank_lines_and_comment_are_no_records() -> None:
    dialect = COMMA._replace(comment=b"#", width=1)
    content = b'\n# \xff\0,\r\na\r\n\r\n# "\nb#\n'

    assert [text for _, text, _ in scanned(content, dialect)] == [b"a\r\n", b"b#\n"]


def test_an_escape_makes_the_byte_behind_it_literal_within_quotes_only() -> None:
    dialect = COMMA._replace(escape=b"\\")
    lines = [rb'1,"\"\\"', rb"2,\a", b'3,"\\\n"', rb'4,"a""b"', b"5,a\\", rb"6,\"", rb'7,"\"', b"8,"]

    found = scanned(b"\n".join(lines), dialect)

    assert [(text.rstrip(), problem) for _, text, problem in found] == [
        (lines[0], ""),
        (lines[1], ""),
        (lines[2], ""),
        (lines[3], ""),
        (lines[4], ""),
        (lines[5], STRAY),
        (lines[6], STRAY),
        (lines[7], ""),
    ]


@pytest.mark.parametrize("text", [b'1|||"a"', b'"1"|||a', b"1||||a", b'1||"|"'])
def test_a_delimiter_of_many_bytes_is_found_from_left_to_right(text: bytes) -> None:
    dialect = Dialect(b"||", b'"', b"", b"", 2)

    expected = [(line, text[start:end], problem) for line, start, end, problem in split(text, 0, 1, dialect)]

    assert scanned(text, dialect) == expected


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("extra", [0, 1])
def test_a_record_that_duckdb_would_not_take_is_broken(end: bytes, extra: int) -> None:
    long = b"1," + b"x" * (MAX_RECORD_BYTES - 2 + extra) + end
    content = b'0,"z"\n' + long + (b"2,b\n" if end else b"")

    found = scanned(content)

    assert found[1] == (2, long, too_long(MAX_RECORD_BYTES) if extra else "")
    assert len(found) == (3 if end else 2)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_duckdb_takes_the_longest_record_that_is_sound(end: str, tmp_path: Path) -> None:
    for number, cell in enumerate(["x" * (MAX_RECORD_BYTES - 2), '"' + "x\n" * (MAX_RECORD_BYTES // 2 - 2) + '"']):
        path = tmp_path / f"{number}.csv"
        path.write_text(f"0,z{end}1,{cell}{end}2,y{end}", newline="")
        columns = "auto_detect = false, strict_mode = true, columns = {'a': 'varchar', 'b': 'varchar'}"
        read = f"read_csv('{path}', header = false, quote = '\"', escape = '\"', {columns})"
        rows = duckdb.connect().execute(f"select a, length(b) from {read}").fetchall()
        assert rows == [("0", 1), ("1", len(cell.strip('"'))), ("2", 1)]


def test_runs_are_long_where_all_is_well_and_never_hold_a_whole_file() -> None:
    content = b'1,"a"\n' * 1_000_000

    lengths = [item.end - item.start for item in scan(content, 0, len(content), 1, COMMA)]

    assert sum(lengths) == len(content)
    assert all(1 << 20 < length <= 1 << 21 for length in lengths[:-1])


def test_stray_quotes_on_every_line_are_found_one_by_one() -> None:
    for line in (b'"a\n', b'"",\n', b'",\n', b'"""\n', b'a,"b\n', b'a,b"\n'):
        content = line * (20_000 // len(line))
        items = list(scan(content, 0, len(content), 1, COMMA))
        assert flat(content, items, COMMA) == list(split(content, 0, 1, COMMA))


@pytest.mark.parametrize(
    ("content", "traits"),
    [
        (b"1,a\n2,b\n", Traits({b"\n"})),
        (b"1,a\r\n2,b\r\n", Traits({b"\r\n"})),
        (b"1,a\r\n2,b\n3,c\r4,d", Traits({b"\r\n", b"\n", b"\r"})),
        (b"1,a\n\n", Traits({b"\n"}, has_gaps=True)),
        (b"#\n1,a\n", Traits({b"\n"}, has_gaps=True)),
        (b'1,"a"\n', Traits({b"\n"}, has_quotes=True)),
        (b'1,"a\r"\n', Traits({b"\n"}, has_quotes=True, has_quoted_newlines=True)),
        (b"1,a", Traits()),
    ],
)
def test_the_traits_tell_if_the_file_is_plain(content: bytes, traits: Traits) -> None:
    found = Traits()

    list(scan(content, 0, len(content), 1, COMMA._replace(comment=b"#"), found))

    assert replace(found, rows=0, skipped=0) == traits


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'1,a\r\n2,"b\r\n"\r3,c\n4,d', b'1,a\n2,"b\r\n"\n3,c\n4,d\n'),
        (b"\r\n# 1\n1,a\n\n2,b\n#", b"1,a\n2,b\n"),
        (b"\n#", b""),
    ],
)
def test_a_run_is_written_with_line_feeds_and_nothing_else_is_changed(content: bytes, expected: bytes) -> None:
    assert normalized(content, COMMA._replace(comment=b"#")) == expected


def test_a_run_that_is_normal_already_is_not_copied() -> None:
    for content in (b"1,a\n2,b\n", b'1,"\n\n"\n', b'1,"\r"\n'):
        assert normalized(content, COMMA) is content


@given(
    case=CASES,
    size=st.sampled_from([1, 3, 8, 20, 64, 100, 1000]),
    near=st.sampled_from([0, 10]),
    longest=st.sampled_from([splitter.MAX_RECORD_BYTES, 6]),
)
@settings(max_examples=100)
@example(case=(Dialect(b"||", b'"', b"", b"", 2), b'"a"||b\n|||"b"\n'), size=5, near=0, longest=6)
@example(case=(Dialect(b",", b'"', b"", b"#", 2), b'#"\n1,"#\n#"\n'), size=3, near=0, longest=6)
@example(case=(Dialect(b",", b'"', b"\\", b"", 2), b'1,"\\\\\\"\n"\n\\",2\n'), size=4, near=0, longest=99)
def test_the_scanner_finds_what_the_splitter_finds(
    case: tuple[Dialect, bytes], size: int, near: int, longest: int
) -> None:
    dialect, content = case
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(splitter, "MAX_RECORD_BYTES", longest)
        patched.setattr(scanner, "_BLOCK_BYTES", size)
        patched.setattr(scanner, "_WARY_BYTES", max(1, size // 3))
        patched.setattr(scanner, "_STRETCH_BYTES", 2 * size)
        patched.setattr(scanner, "_NEAR_BYTES", near)
        check(content, dialect)


def check(content: bytes, dialect: Dialect) -> None:
    traits = Traits()
    items = list(scan(content, 0, len(content), 1, dialect, traits))
    expected = list(split(content, 0, 1, dialect))

    assert flat(content, items, dialect) == expected
    assert traits == seen(content, dialect)
    position = 0
    for item in items:
        assert position <= item.start < item.end
        assert all_skipped(content, position, item.start, dialect)
        position = item.end
        if isinstance(item, Stretch):
            check_normalized(content[item.start : item.end], dialect)
    assert all_skipped(content, position, len(content), dialect)


def all_skipped(content: bytes, start: int, end: int, dialect: Dialect) -> bool:
    return not list(split(content, start, 1, dialect, end))


def check_normalized(data: bytes, dialect: Dialect) -> None:
    result = normalized(data, dialect)
    expected = b"".join(body(text) + b"\n" for text in texts(data, dialect))

    assert result == expected
    assert texts(result, dialect) == [body(text) + b"\n" for text in texts(data, dialect)]
    assert result is data or result != data


def texts(content: bytes, dialect: Dialect) -> list[bytes]:
    return [content[start:end] for _, start, end, _ in split(content, 0, 1, dialect)]
