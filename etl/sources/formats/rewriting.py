"""Sound records with escapes, written as DuckDB reads them rightly; it drops an escape before anything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from etl.sources.formats import escapes, splitter
from etl.sources.formats.splitter import Dialect, Record


def problem(text: bytes, dialect: Dialect) -> str:
    """Return what is wrong with what the cells of a sound record stand for; empty if nothing is."""
    if not escapes.may_break(text):
        return ""
    line = splitter.without_line_end(text)
    if dialect.grammar == "copy" and line == escapes.END:
        return "the end marker \\. stands within the file"
    values = [escapes.decoded(cell, dialect.grammar) for cell in splitter.raw_cells(line, dialect)]
    if any(b"\0" in value for value in values):
        return splitter.NUL
    return "" if all(_is_text(value) for value in values) else splitter.NOT_UTF8


def rewritten(data: bytes, records: Iterable[Record], nulls: Sequence[str], dialect: Dialect) -> bytes:
    """Return records as DuckDB reads them: the values decoded, between double quotes where that is needed."""
    tokens = {null.encode() for null in nulls}
    lines = []
    for record in records:
        line = splitter.without_line_end(data[record.start : record.end])
        cells = splitter.raw_cells(line, dialect)
        lines.append(dialect.delimiter.join(_cell(cell, tokens, dialect) for cell in cells) + b"\n")
    return b"".join(lines)


def requoted(data: bytes, dialect: Dialect) -> bytes:
    """Return sound records with their quotes doubled in place of escaped, and escapes that escape nothing kept."""
    if dialect.escape not in data or dialect.quote not in data:
        return data
    return _quoted_cell(dialect).sub(lambda cell: _requoted(cell[0], dialect), data)


def _requoted(cell: bytes, dialect: Dialect) -> bytes:
    if dialect.escape not in cell:
        return cell
    inner = escapes.unescaped(cell[1:-1], dialect.quote, dialect.escape)
    return dialect.quote + inner.replace(dialect.quote, dialect.quote * 2) + dialect.quote


def _cell(cell: bytes, tokens: set[bytes], dialect: Dialect) -> bytes:
    if cell in tokens:
        return cell
    value = escapes.decoded(cell, dialect.grammar)
    if value in tokens or any(mark in value for mark in (b'"', b"\n", b"\r", dialect.delimiter)):
        return b'"' + value.replace(b'"', b'""') + b'"'
    return value


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


@cache
def _quoted_cell(dialect: Dialect) -> re.Pattern[bytes]:
    # in sound records no other cell holds a quote, so that the first one opens a cell
    return re.compile(splitter.quoted_pattern(dialect))
