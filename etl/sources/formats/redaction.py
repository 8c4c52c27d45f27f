"""Delimited records with some cells replaced; every other character stays as it was delivered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from etl.sources.formats import escapes
from etl.sources.formats.splitter import Dialect, cell_spans, is_quoted, unquoted


def redacted_cells(
    text: str,
    columns: Sequence[str],
    hidden: Mapping[str, Callable[[str], str]],
    dialect: Dialect,
    *,
    nulls: Sequence[str] = ("",),
    trailing: bool = False,
) -> str | None:
    """Return a record with the cells of `hidden` columns replaced; None unless it is one, of `columns` cells.

    A quoted cell is unquoted for its function, and what that returns is quoted again. `nulls` are the unquoted
    cells that stand for null: they stay. With `trailing` a record ends in a delimiter.
    """
    line = _encoded(text)
    spans = cell_spans(line, dialect)
    if spans is None or (trailing and spans.pop() != (len(line), len(line))) or len(spans) != len(columns):
        return None
    kept_as_null = {_encoded(null) for null in nulls}
    shown = [line[start:end] for start, end in spans]
    for position, name in enumerate(columns):
        if name in hidden and shown[position] not in kept_as_null:
            value = hidden[name](unquoted(shown[position], dialect).decode("utf-8", "backslashreplace"))
            replaced = _as_written(_encoded(value), shown[position], dialect)
            if replaced is None:
                return None
            shown[position] = replaced
    return (dialect.delimiter.join(shown) + dialect.delimiter * trailing).decode("utf-8", "surrogatepass")


def _as_written(value: bytes, cell: bytes, dialect: Dialect) -> bytes | None:
    """Return a value as its cell was written; None if it would need quotes and the dialect has none."""
    if dialect.grammar:
        return escapes.encoded(value, dialect.delimiter)
    quote, escape = dialect.quote, dialect.escape or dialect.quote
    if not is_quoted(cell, dialect) and cell_spans(value, dialect) == [(0, len(value))]:
        return value
    if not quote:
        return None
    return quote + re.sub(b"[%b]" % re.escape(quote + escape), lambda special: escape + special[0], value) + quote


def _encoded(text: str) -> bytes:
    # what a person wrote may hold half of a pair of surrogates
    return text.encode("utf-8", "surrogatepass")
