"""Text to records, as strictly as extraction splits them: RFC 4180 with the dialect's own marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from etl.sources.formats import escapes

_LINE = re.compile(r"[^\r\n]*+(?:\r\n|\r|\n|\Z)")
#: The cell that is null where a grammar of escapes is spoken.
NULL = "\\N"
_UNSOUND = re.compile("[\0\udc80-\udcff]")


class Quoted(str):
    """The text of a cell that stood in quotes, and is therefore no null."""

    __slots__ = ()


class Record(NamedTuple):
    """One record by its physical line, from 1; `cells` is empty if it has no sound ones."""

    line: int
    cells: list[str]
    text: str


@dataclass(frozen=True)
class Marks:
    """What separates, quotes and escapes; quote and escape may be empty, and `escapes` is a grammar of Csv."""

    delimiter: str
    quote: str = '"'
    escape: str = ""
    escapes: str = ""


def split(text: str, marks: Marks) -> Iterator[Record]:
    """Yield the records, blank lines left out; one with a stray or open quote is its physical line."""
    position, line = 0, 1
    special = [mark for mark in (marks.quote, marks.escape, "\\" * bool(marks.escapes)) if mark]
    is_sound = not _UNSOUND.search(text)
    while position < len(text):
        match = _LINE.match(text, position)
        end = match.end() if match else len(text)
        physical = text[position:end].rstrip("\r\n")
        if not any(mark in physical for mark in special):
            cells = physical.split(marks.delimiter)
        elif found := _record(marks).match(text, position):
            end = found.end()
            physical = text[position:end].rstrip("\r\n")
            cells = _cells(physical, marks)
        else:
            cells = []
        if physical:
            yield Record(line, cells if is_sound or not _UNSOUND.search(physical) else [], physical)
        whole = text[position:end]
        line += whole.count("\n") + whole.count("\r") - whole.count("\r\n")
        position = end


def _cells(text: str, marks: Marks) -> list[str]:
    pattern, cells, position = _cell(marks), [], 0
    while match := pattern.match(text, position):
        cells.append(_content(match[0], marks))
        position = match.end() + len(marks.delimiter)
        if match.end() >= len(text):
            break
    return cells


def _content(cell: str, marks: Marks) -> str:
    if marks.escapes and cell != NULL:
        return escapes.decoded(cell.encode(), marks.escapes).decode("utf-8", "replace")
    if not (marks.quote and cell.startswith(marks.quote)):
        return cell
    quote, escape = marks.quote.encode(), (marks.escape or marks.quote).encode()
    return Quoted(escapes.unescaped(cell[1:-1].encode(), quote, escape).decode())


@cache
def _cell(marks: Marks) -> re.Pattern[str]:
    delimiter, quote, escape = map(re.escape, (marks.delimiter, marks.quote, marks.escape))
    if marks.escapes:
        return re.compile(rf"(?:\\(?:\r\n|.|\Z)|[^{delimiter}\r\n\\])*+", re.DOTALL)
    if not quote:
        return re.compile(rf"(?:(?!{delimiter})[^\r\n])*+")
    if escape:
        return re.compile(
            rf"{quote}(?:[^{quote}{escape}]|{escape}.|{quote}{quote})*+{quote}|(?:(?!{delimiter})[^\r\n{quote}])*+",
            re.DOTALL,
        )
    return re.compile(rf"{quote}(?:[^{quote}]|{quote}{quote})*+{quote}|(?:(?!{delimiter})[^\r\n{quote}])*+")


@cache
def _record(marks: Marks) -> re.Pattern[str]:
    cell, delimiter = _cell(marks).pattern, re.escape(marks.delimiter)
    return re.compile(rf"(?:{cell})(?:{delimiter}(?:{cell}))*+(?:\r\n|\r|\n|\Z)", re.DOTALL)
