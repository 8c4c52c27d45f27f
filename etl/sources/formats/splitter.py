"""A strict splitter of delimited text: where each record is, and what is wrong with those that are not one.

One regular expression describes a sound record (RFC 4180 with the dialect's marks). Where it does not match,
the physical line is broken and the next line starts afresh, so a stray quote costs one line. It is the law
for one record; whole files are the work of the scanner, which keeps it at the speed of memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from etl.sources.formats import escapes
from etl.sources.formats.file_text import FileText
from etl.sources.formats.limits import too_long

#: Without its line end. DuckDB refuses lines of 2,000,000 bytes and, behind a CRLF, some bytes fewer.
MAX_RECORD_BYTES = 1_999_990

NUL = "a cell holds a NUL character"
NOT_UTF8 = "the text is not UTF-8"

_LINE_END = re.compile(rb"\r\n|\r|\n")


class Dialect(NamedTuple):
    """The marks of a delimited text, as bytes that hold no line end and that can be told apart.

    Without a `quote` nothing quotes. A quote within a quoted cell is doubled, or follows the `escape`. With a
    `grammar` of escapes nothing quotes, and the byte after an escape is the cell's wherever it stands. A physical
    line that starts with `comment` where a record would start is none. `width` None takes any number of cells. A
    record has `longest` bytes at most, without its line end; 0: as many as DuckDB takes.
    """

    delimiter: bytes
    quote: bytes
    escape: bytes
    comment: bytes
    width: int | None
    grammar: str = ""
    longest: int = 0

    @property
    def most_bytes(self) -> int:
        """The bytes that a record has at most, without its line end."""
        return self.longest or MAX_RECORD_BYTES


class Record(NamedTuple):
    """Where a record is: its physical line from 1, its bytes with the line end; `problem` is empty if sound."""

    line: int
    start: int
    end: int
    problem: str


class Step(NamedTuple):
    """One record, or a blank or comment line that is `skipped`, and how many physical lines it spans."""

    record: Record
    skipped: bool
    lines: int


def split(
    content: bytes | FileText, start: int, line: int, dialect: Dialect, end: int | None = None
) -> Iterator[Record]:
    """Yield the records from byte `start`, on physical line `line`, up to `end`, sound or broken."""
    for taken in steps(content, start, line, dialect, len(content) if end is None else end):
        if not taken.skipped:
            yield taken.record


def steps(content: bytes | FileText, start: int, line: int, dialect: Dialect, end: int) -> Iterator[Step]:
    """Yield the records, and the blank lines and lines of comment, of content[start:end]."""
    while start < end:
        taken = step(content, start, end, line, dialect)
        yield taken
        start, line = taken.record.end, line + taken.lines


def step(content: bytes | FileText, start: int, end: int, line: int, dialect: Dialect) -> Step:
    """Return what starts at `start`, where a record would; of an endless one no more than a line is looked at."""
    if is_no_record(content[start : min(end, start + 1 + len(dialect.comment))], dialect):
        return Step(Record(line, start, line_end(content, start, end), ""), True, 1)
    # two bytes are the longest line end: a longer match is of a longer record
    most = dialect.most_bytes
    data, base = _around(content, start, most + 2)
    match = _record(dialect).match(data, start - base, min(end, start + most + 2) - base)
    if match is not None and len(text := match[0]) <= most + (ended := _line_end_bytes(text)):
        lines = 1 + line_ends(text[: len(text) - ended])
        return Step(Record(line, start, base + match.end(), _bad_text(text)), False, lines)
    stop = line_end(content, start, end)
    if stop - start > most + _line_end_bytes(content[max(start, stop - 2) : stop]):
        return Step(Record(line, start, stop, too_long(most)), False, 1)
    return Step(Record(line, start, stop, _bad_shape(content[start:stop], dialect)), False, 1)


def cells(line: bytes, dialect: Dialect) -> list[str]:
    """Return the cells of one record without its line end, unquoted; undecodable bytes as \\xNN.

    A broken one is cut at the delimiters; a cell with a stray quote is left as it is.
    """
    return [unquoted(cell, dialect).decode("utf-8", "backslashreplace") for cell in _cells(line, dialect)]


def raw_cells(line: bytes, dialect: Dialect) -> list[bytes]:
    """Return the cells of one record without its line end, as they are written."""
    if not dialect.grammar and not (dialect.quote and dialect.quote in line):
        return line.split(dialect.delimiter)
    return list(_cells(line, dialect))


def without_line_end(text: bytes) -> bytes:
    """Return a record without its line end."""
    return text[: len(text) - _line_end_bytes(text)]


def cell_spans(line: bytes, dialect: Dialect) -> list[tuple[int, int]] | None:
    """Return where each cell of one sound record is, quotes included; None for any other text, or a line end."""
    found, position = [], 0
    while match := _cell(dialect).match(line, position):
        found.append(match.span())
        if match.end() == len(line):
            return found
        position = match.end() + len(dialect.delimiter)
    return None


def unquoted(cell: bytes, dialect: Dialect) -> bytes:
    """Return what a cell says; one with a stray quote is left as it is."""
    if dialect.grammar:
        return escapes.decoded(cell, dialect.grammar)
    if not is_quoted(cell, dialect):
        return cell
    if dialect.escape:
        return escapes.unescaped(cell[1:-1], dialect.quote, dialect.escape)
    return cell[1:-1].replace(dialect.quote * 2, dialect.quote)


def is_quoted(cell: bytes, dialect: Dialect) -> bool:
    """Return whether a cell stands in quotes, from its first byte to its last."""
    return bool(dialect.quote) and cell.startswith(dialect.quote) and bool(_cell(dialect).fullmatch(cell))


def is_no_record(text: bytes, dialect: Dialect) -> bool:
    """Return whether a text that starts where a record would starts with a blank line or one of comment."""
    return text.startswith((b"\r", b"\n")) or bool(dialect.comment and text.startswith(dialect.comment))


def line_end(content: bytes | FileText, start: int, end: int | None = None) -> int:
    """Return the byte behind the physical line that `start` is on."""
    end = len(content) if end is None else end
    size = 1 << 12
    while True:
        stop = min(end, start + size)
        text = content[start:stop]
        match = _LINE_END.search(text)
        # a carriage return that ends the text may be half of a line end
        if match and (match.end() < len(text) or match[0] != b"\r" or stop == end):
            return start + match.end()
        if stop == end:
            return end
        size *= 4


def _around(content: bytes | FileText, start: int, size: int) -> tuple[bytes, int]:
    return (content, 0) if isinstance(content, bytes) else content.around(start, size)


def line_start(content: bytes | FileText, end: int) -> int:
    """Return the byte at which the physical line starts that ends at byte `end`."""
    end -= _line_end_bytes(content[max(0, end - 2) : end])
    size = 1 << 12
    while True:
        low = max(0, end - size)
        text = content[low:end]
        found = max(text.rfind(b"\n"), text.rfind(b"\r"))
        if found >= 0 or low == 0:
            return low + found + 1
        size *= 2


def line_ends(text: bytes) -> int:
    """Return how many physical lines end in a text."""
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


def wrong_width(found: int, width: int | None) -> str:
    """Return the problem of a record with `found` cells."""
    return f"{found} cells where the contract has {width}"


def _line_end_bytes(text: bytes) -> int:
    return 2 if text.endswith(b"\r\n") else int(text.endswith((b"\r", b"\n")))


def _bad_text(text: bytes) -> str:
    if b"\0" in text:
        return NUL
    try:
        text.decode()
    except UnicodeDecodeError:
        return NOT_UTF8
    return ""


def _bad_shape(text: bytes, dialect: Dialect) -> str:
    match = _record(dialect._replace(width=None)).match(text)
    if match is None or match.end() < len(text):
        return "a quote is stray or not closed"
    return wrong_width(sum(1 for _ in _cells(text.rstrip(b"\r\n"), dialect)), dialect.width)


def _cells(line: bytes, dialect: Dialect) -> Iterator[bytes]:
    position = 0
    while True:
        match = _cell(dialect).match(line, position)
        stop = match.end() if match else line.find(dialect.delimiter, position)
        stop = len(line) if stop < 0 else stop
        yield line[position:stop]
        if stop == len(line):
            return
        position = stop + len(dialect.delimiter)


def _cell_pattern(dialect: Dialect) -> bytes:
    separator, mark = re.escape(dialect.delimiter), re.escape(dialect.quote)
    first = re.escape(dialect.delimiter[:1])
    if dialect.grammar:
        # the last line end ends the text, whatever is before it
        taken = rb"\\(?:\r\n(?!\Z)|(?!\r\n)[\r\n](?!\Z)|[^\r\n]|(?=(?:\r\n|[\r\n])?\Z))"
        return rb"(?:[^\r\n\\%b]++|%b)*+" % (first, taken)
    plain = rb"[^\r\n%b%b]" % (first, mark)
    # only the first byte of a longer delimiter needs a second look
    plain = rb"(?:%b++|(?!%b)%b)*+" % (plain, separator, first) if len(dialect.delimiter) > 1 else plain + b"*+"
    return b"(?:%b|%b)" % (quoted_pattern(dialect), plain) if mark else plain


def quoted_pattern(dialect: Dialect) -> bytes:
    """Return the pattern of a quoted cell."""
    mark = re.escape(dialect.quote)
    inner = b"[^%b]++|%b%b" % (mark, mark, mark)
    if dialect.escape:
        escape = re.escape(dialect.escape)
        inner = b"[^%b%b]++|%b(?s:.)|%b%b" % (mark, escape, escape, mark, mark)
    return b"%b(?:%b)*+%b" % (mark, inner, mark)


@cache
def _cell(dialect: Dialect) -> re.Pattern[bytes]:
    return re.compile(rb"%b(?=%b|\Z)" % (_cell_pattern(dialect), re.escape(dialect.delimiter)))


@cache
def _record(dialect: Dialect) -> re.Pattern[bytes]:
    more = b"*+" if dialect.width is None else b"{%d}+" % (dialect.width - 1)
    separator, cell = re.escape(dialect.delimiter), _cell_pattern(dialect)
    return re.compile(rb"%b(?:%b%b)%b(?:\r\n|\r|\n|\Z)" % (cell, separator, cell, more))
