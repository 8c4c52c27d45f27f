"""Delimited records with some cells replaced; every other character stays as it was delivered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cache

from etl.sources.formats import escapes


@dataclass(frozen=True)
class Dialect:
    """What tells the cells of a record apart; `escape` empty means that a quote is doubled.

    With a `grammar` of escapes nothing quotes, and a backslash takes the next character with it. `nulls` are the
    unquoted cells that stand for null: they stay. With `trailing` a record ends in a delimiter.
    """

    delimiter: str = ","
    quote: str = '"'
    escape: str = ""
    nulls: Sequence[str] = ("",)
    _: KW_ONLY
    trailing: bool = False
    grammar: str = ""


def redacted_cells(
    text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]], dialect: Dialect
) -> str | None:
    """Return a record with the cells of `hidden` columns replaced; None unless it is one, of `columns` cells.

    A quoted cell is unquoted for its function, and what that returns is quoted again.
    """
    spans = _spans(text, len(columns), dialect)
    if spans is None:
        return None
    cells = [text[start:end] for start, end in spans]
    for position, name in enumerate(columns):
        if name in hidden and cells[position] not in dialect.nulls:
            replaced = _quoted(hidden[name](_unquoted(cells[position], dialect)), cells[position], dialect)
            if replaced is None:
                return None
            cells[position] = replaced
    ends = [start for start, _ in spans[1:]] + [len(text)]
    between = [text[end:start] for (_, end), start in zip(spans, ends, strict=True)]
    return "".join(cell + delimiter for cell, delimiter in zip(cells, between, strict=True))


def _spans(text: str, width: int, dialect: Dialect) -> list[tuple[int, int]] | None:
    """Return where each cell is, with its quotes; None for another number of cells, or a stray quote."""
    cell = _cell(dialect.delimiter, dialect.quote, dialect.escape, bool(dialect.grammar))
    spans: list[tuple[int, int]] = []
    position = 0
    while match := cell.match(text, position):
        spans.append(match.span())
        if match.end() == len(text):
            break
        if not text.startswith(dialect.delimiter, match.end()):
            return None
        position = match.end() + len(dialect.delimiter)
    if dialect.trailing and spans.pop() != (len(text), len(text)):
        return None
    return spans if len(spans) == width else None


def _unquoted(cell: str, dialect: Dialect) -> str:
    if dialect.grammar:
        return escapes.decoded(cell.encode(), dialect.grammar).decode()
    quote, escape = dialect.quote, dialect.escape or dialect.quote
    if not quote or not cell.startswith(quote):
        return cell
    return escapes.unescaped(cell[1:-1].encode(), quote.encode(), escape.encode()).decode()


def _quoted(value: str, cell: str, dialect: Dialect) -> str | None:
    """Return a replacement as the cell was written; None if it would need quotes and the dialect has none."""
    if dialect.grammar:
        return escapes.encoded(value.encode(), dialect.delimiter.encode()).decode()
    quote, escape = dialect.quote, dialect.escape or dialect.quote
    was_quoted = bool(quote) and cell.startswith(quote)
    if not was_quoted and _spans(value, 1, Dialect(dialect.delimiter, quote, dialect.escape)) is not None:
        return value
    if not quote:
        return None
    escaped = re.sub(f"[{re.escape(quote + escape)}]", lambda special: escape + special[0], value)
    return quote + escaped + quote


@cache
def _cell(delimiter: str, quote: str, escape: str, has_grammar: bool) -> re.Pattern[str]:
    separator = re.escape(delimiter)
    if has_grammar:
        return re.compile(rf"(?:[^{separator}\r\n\\]++|\\(?:\r\n|.|\Z))*+", re.DOTALL)
    if not quote:
        return re.compile(rf"(?:(?!{separator})[^\r\n])*+")
    mark, guard = re.escape(quote), re.escape(escape or quote)
    # a quoted cell, in which the escape takes the next character with it, or one without any quote
    inside = (
        rf"(?:[^{mark}{guard}]|{guard}{mark})*+"
        if guard == mark
        else rf"(?:[^{mark}{guard}]|{guard}.|{mark}{mark})*+"
    )
    return re.compile(rf"(?:{mark}{inside}{mark}|(?:(?!{separator})[^\r\n{mark}])*+)", re.DOTALL)
