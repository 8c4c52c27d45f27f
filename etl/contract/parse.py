"""Text to value: the SQL that reads a raw cell as the type of its column, and gives null if it is none.

DuckDB's own casts are too willing for a contract: 1.5 becomes the BIGINT 2, a timestamp becomes a DATE.
"""

from __future__ import annotations

import re

from etl.contract.contract import Column
from etl.contract.nested import nested, parsed_json
from etl.contract.spelling import column_values, formatted_moment, respelled_number
from etl.formats.format import Values
from etl.quoting import literal

# DuckDB takes the year 0 for 1 BC, and 24:00 for the next day
_DAY = r"(\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})-\d{2}-\d{2}"
_TIME = r"([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d{1,6})?)?"
_SHAPES = {
    "INTEGER": r"[+-]?\d+",
    "FLOAT": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?([nN][aA][nN]|[iI]nf(inity)?)",
    "DATE": _DAY,
    "TIME": _TIME,
    "TIMESTAMP": f"{_DAY}[ T]{_TIME}",
    "TIMESTAMP WITH TIME ZONE": rf"{_DAY}[ T]{_TIME}(Z|[+-][01]\d(:?[0-5]\d)?)?",
    "BOOLEAN": r"(?i)true|false|t|f|1|0",
}
_KINDS = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), "INTEGER"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), "INTEGER"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "FLOAT"),
}
_PLAIN = Values()


def value(cell: str | None, column: Column, values: Values = _PLAIN) -> str:
    """Return the expression of a column's value for the varchar expression of its raw cell.

    A cell that is null, and one that the file lacks (None), takes the column's default. `values` says how
    the sender writes numbers and dates; what the column says of itself goes before that.
    """
    absent = f"null::{column.type}"
    if column.default is not None:
        # its author's, and so not in the sender's spelling
        absent = parsed(literal(column.default), column.type, column.format)
    if cell is None:
        return absent
    found = parsed(cell, column.type, column.format, column_values(column, values))
    return found if column.default is None else f"case when {cell} is null then {absent} else {found} end"


def parsed(text: str, type: str, format: str = "", values: Values = _PLAIN) -> str:
    """Return an expression of DuckDB `type` for the varchar expression `text`; null where it is no such value.

    Numbers are plain decimal, with no rounding: a DECIMAL takes no more digits than its scale has. Dates and
    timestamps are ISO 8601, or in the strptime `format`; a timestamp with no offset is in the connection's
    TimeZone. Lists, structs and maps are JSON. `values` says how the sender writes them otherwise.
    """
    if type == "VARCHAR":
        return text
    if nested(type):
        return parsed_json(text, type, parsed)
    if type in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        format = format or (values.date_format if type == "DATE" else values.timestamp_format)
    if format:
        return formatted_moment(text, type, format)
    if type in _KINDS or type.startswith("DECIMAL"):
        text = respelled_number(text, values)
    shape = _shape(type)
    cast = f"try_cast({text} as {type})"
    if type in ("FLOAT", "DOUBLE"):
        # 1e400 would become infinite without a word
        cast = f"case when isfinite({cast}) or not regexp_matches({text}, '[0-9]') then {cast} end"
    if not shape:
        return cast
    # a regular expression costs twice what the cast does: only texts that are written otherwise need it
    sure = _is_as_duckdb_writes(text, type, cast)
    first = f"when {sure} then {cast} " if sure else ""
    return f"case {first}when regexp_full_match({text}, {literal(shape)}) then {cast} end"


def _is_as_duckdb_writes(text: str, type: str, cast: str) -> str:
    """Return a cheap test that only texts of the type's shape can pass, if not all; empty if there is none."""
    written = f"{cast}::varchar"
    if _KINDS.get(type) == "INTEGER":
        return f"{written} = {text}"
    if type in ("DATE", "TIMESTAMP"):
        # outside of these years DuckDB writes (BC), infinity, or more than four digits
        years = f"{cast} >= '0001-01-01'::{type} and {cast} < '10000-01-01'::{type}"
        return f"{written} = {text} and {years}"
    # 17 and 17.0 are beginnings of 17.00
    return f"starts_with({written}, {text})" if type.startswith("DECIMAL") else ""


def _shape(type: str) -> str:
    if scale := re.fullmatch(r"DECIMAL\(\d+,\s*(\d+)\)", type):
        return rf"[+-]?\d*(\.\d{{0,{scale[1]}}}0*)?"
    return _SHAPES.get(_KINDS.get(type, type), "")
