"""Text to rows of cells: split by the splitter, as extraction does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from etl.sources.formats import splitter
from etl.sources.formats.splitter import Dialect

#: The cell that is null where a grammar of escapes is spoken.
NULL = "\\N"


class Quoted(str):
    """The text of a cell that stood in quotes, and is therefore no null."""

    __slots__ = ()


class Row(NamedTuple):
    """One record by its physical line, from 1; `cells` is empty if it has no sound ones."""

    line: int
    cells: list[str]
    text: str


def marks(delimiter: str, quote: str = '"', escape: str = "", comment: str = "") -> Dialect:
    """Return the dialect of any width that has these marks."""
    delimiter_, quote_, escape_, comment_ = (mark.encode() for mark in (delimiter, quote, escape, comment))
    return Dialect(delimiter_, quote_, escape_, comment_, width=None)


def split(text: str, dialect: Dialect) -> Iterator[Row]:
    """Yield the records, blank lines and comment left out; one with a stray or open quote is its physical line."""
    content = text.encode("utf-8", "surrogateescape")
    for record in splitter.split(content, 0, 1, dialect):
        line = splitter.without_line_end(content[record.start : record.end])
        cells = [] if record.problem else [_cell(cell, dialect) for cell in splitter.raw_cells(line, dialect)]
        yield Row(record.line, cells, line.decode("utf-8", "surrogateescape"))


def _cell(cell: bytes, dialect: Dialect) -> str:
    if dialect.grammar and cell == NULL.encode():
        return NULL
    text = splitter.unquoted(cell, dialect).decode("utf-8", "replace")
    return Quoted(text) if splitter.is_quoted(cell, dialect) else text
