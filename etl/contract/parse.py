"""Text to value: the SQL that reads a raw cell as the type of its column, and gives null if it is none.

DuckDB's own casts are too willing for a contract: 1.5 becomes the BIGINT 2, a timestamp becomes a DATE.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from etl.contract.clocks import ZONED, instant
from etl.contract.contract import Column
from etl.contract.moments import ISO, MOMENTS, Moments, moments_of, only, read_moment
from etl.contract.nested import nested, parsed_json
from etl.contract.numeral_sql import spelled
from etl.contract.spelling import column_values, respelled_number
from etl.contract.values import Values
from etl.engine.quoting import literal

# DuckDB takes the year 0 for 1 BC, and 24:00 for the next day
_DAY = r"(\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})-\d{2}-\d{2}"
_TIME = r"([01]\d|2[0-3]):\d{2}(:\d{2}(\.\d{1,6})?)?"
# DuckDB takes a bare number for seconds, half a month for 15 days, and rounds what is below a microsecond
_COUNT = r"[+-]?\d+\s*[a-z]+"
_LONG = "s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?"
_PART = rf"[+-]?\d*\.(\d{{1,6}}\s*({_LONG})|\d{{1,3}}\s*(ms|milliseconds?))"
_CLOCK = r"[+-]?\d+:[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
# so many digits of a whole number are always exact
_EXACT_DIGITS = {"DOUBLE": 15, "FLOAT": 6}
_SHAPES = {
    "INTEGER": r"[+-]?\d+",
    "FLOAT": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?([nN][aA][nN]|[iI]nf(inity)?)",
    "DATE": _DAY,
    "TIME": _TIME,
    "TIMESTAMP": f"{_DAY}[ T]{_TIME}",
    ZONED: rf"{_DAY}[ T]{_TIME}(Z|[+-][01]\d(:?[0-5]\d)?)",
    "INTERVAL": rf"(?i)(({_COUNT}|{_PART})(\s+({_COUNT}|{_PART}))*(\s+{_CLOCK})?|{_CLOCK})",
    "BOOLEAN": r"(?i)true|false|t|f|1|0",
}
_KINDS = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), "INTEGER"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), "INTEGER"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "FLOAT"),
}
_PLAIN = Values()


class _Clock(NamedTuple):
    """What a column says of local times; see clocks.instant()."""

    ambiguous: str = ""
    nonexistent: str = ""
    turn: str = ""


_SILENT = _Clock()


def value(cell: str | None, column: Column, values: Values = _PLAIN, local: str = "", turn: str = "") -> str:
    """Return the expression of a column's value for the varchar expression of its raw cell.

    A cell that is null, and one that the file lacks (None), takes the column's default. `values` says how
    the sender writes numbers and dates; what the column says of itself goes before that. `local` is the SQL of
    local_time() of the cell, if it is at hand, and `turn` that of which one of two instants it is.
    """
    absent = f"null::{column.type}"
    if column.default is not None:
        # its author's, and so not in the sender's spelling
        own = Values(two_digit_years_until=column.two_digit_years_until)
        absent = parsed(literal(column.default), column.type, default_format(column), own)
    if cell is None:
        return absent
    values = column_values(column, values)
    if column.number:
        found = parsed(spelled(cell, column.number, column.type, values), column.type)
    elif column.type == ZONED:
        clock = _Clock(column.ambiguous, column.nonexistent, turn)
        found = _instant(cell, moments_of(column, values), clock, local)
    elif column.type in ("DATE", "TIMESTAMP"):
        found = _moment(cell, column.type, moments_of(column, values))
    else:
        found = parsed(cell, column.type, column.format, values)
    return found if column.default is None else f"case when {cell} is null then {absent} else {found} end"


def parsed(text: str, type: str, format: str = "", values: Values = _PLAIN) -> str:
    """Return an expression of DuckDB `type` for the varchar expression `text`; null where it is no such value.

    Numbers are plain decimal, with no rounding: a DECIMAL takes no more digits than its scale has. Dates and
    timestamps are ISO 8601, or in the strptime `format`; a timestamp with no offset is in the connection's
    TimeZone, and null if the clocks there skip it or show it twice. Lists, structs and maps are JSON. `values`
    says how the sender writes them otherwise.
    """
    if type == "VARCHAR":
        return text
    if nested(type):
        return parsed_json(text, type, parsed)
    if type in MOMENTS:
        moments = _of_sender(type, format, values)
        return _instant(text, moments) if type == ZONED else _moment(text, type, moments)
    if type in _KINDS or type.startswith("DECIMAL"):
        text = respelled_number(text, values)
    return _plain(text, type)


def default_format(column: Column) -> str:
    """Return the strptime format of the text of a column's default, which is in ISO 8601 if this is empty."""
    return column.format if "%" in column.format and not column.months else ""


def _of_sender(type: str, format: str, values: Values) -> Moments:
    format = format or (values.date_format if type == "DATE" else values.timestamp_format)
    return Moments(formats=(format,) if format else (), until=values.two_digit_years_until)


def _plain(text: str, type: str) -> str:
    """Return the SQL of a text in the plain spelling of a type."""
    shape = _shape(type)
    cast = f"try_cast({text} as {type})"
    if type in ("FLOAT", "DOUBLE"):
        # 1e400 would become infinite without a word
        cast = (
            f"case when {_is_bent(text, type, cast)} then null "
            f"when isfinite({cast}) or not regexp_matches({text}, '[0-9]') then {cast} end"
        )
    if not shape:
        return cast
    # a regular expression costs twice what the cast does: only texts that are written otherwise need it
    sure = _is_as_duckdb_writes(text, type, cast)
    first = f"when {sure} then {cast} " if sure else ""
    return f"case {first}when regexp_full_match({text}, {literal(shape)}) then {cast} end"


def _is_bent(text: str, type: str, cast: str) -> str:
    """Return the SQL that tells whether a text is a whole number that a DOUBLE or FLOAT would change.

    A long one that is as a computer writes that value, zeros behind its digits, is it.
    """
    digits = _EXACT_DIGITS[type]
    shape = literal(rf"[+-]?\d{{{digits + 1},}}(\.0*)?")
    number = f"try_cast({text} as hugeint)"
    others = f"{number} <> try_cast({cast} as hugeint) and {number} <> try_cast({cast}::varchar as hugeint)"
    return (
        f"case when strlen({text}) > {digits} then regexp_full_match({text}, {shape}) and {others} else false end"
    )


def local_time(text: str, moments: Moments) -> str:
    """Return the TIMESTAMP of a text that is a local time, and so of a day and clock that may be there twice.

    It is null for a text with an offset, and for one that is no time at all; empty if all formats have an offset.
    """
    if not moments.has_local:
        return ""
    if moments.formats:
        found = _moment(text, "TIMESTAMP", moments.local())
        zoned = _readings(text, ZONED, moments.zoned())
        return f"case when {_none(zoned)} then {found} end" if zoned else found
    cast = f"try_cast({text} as TIMESTAMP)"
    sure, shape = _is_as_duckdb_writes(text, "TIMESTAMP", cast), literal(_SHAPES["TIMESTAMP"])
    # most instants are written with a Z, and what is written with an offset fits no shape of a local time
    return (
        f"case when ends_with({text}, 'Z') then null when {sure} then {cast} "
        f"when regexp_full_match({text}, {shape}) then {cast} end"
    )


def _instant(text: str, moments: Moments, clock: _Clock = _SILENT, local: str = "") -> str:
    """Return the SQL of a text as an instant: by its offset, or else as the project's clocks show it."""
    zoned = _readings(text, ZONED, moments.zoned())
    if not moments.has_local:
        return only(zoned)
    if local:
        found = instant(local, *clock)
    else:
        # a list of one, since SQL has no `let`
        shown = f"case when {text} is not null then [{local_time(text, moments)}] end"
        found = f"list_transform({shown}, lambda local: {instant('local', *clock)})[1]"
    if not moments.formats:
        shaped = f"regexp_full_match({text}, {literal(_SHAPES[ZONED])})"
        by_clock = f"{local} is not null" if local else f"not {shaped}"
        return f"case when {by_clock} then {found} when {shaped} then try_cast({text} as {ZONED}) end"
    if not zoned:
        return found
    locals = _readings(text, "TIMESTAMP", moments.local())
    return f"case when {_none(zoned)} then {found} when {_none(locals)} then {only(zoned)} end"


def _moment(text: str, type: str, moments: Moments) -> str:
    """Return the SQL of a text as a DATE or TIMESTAMP; null if it is none, or if two formats differ about it."""
    return only(_readings(text, type, moments)) if moments.formats else _plain(text, type)


def _readings(text: str, type: str, moments: Moments) -> list[str]:
    """Return the SQL of what a text is in each of the formats."""
    plain = _offset if type == ZONED else partial(_plain, type=type)
    return [plain(text) if one == ISO else read_moment(text, type, one, moments) for one in moments.formats]


def _none(readings: Sequence[str]) -> str:
    return f"coalesce({', '.join(readings)}) is null"


def _offset(text: str) -> str:
    """Return the SQL of a text with an offset in ISO 8601 as an instant."""
    shaped = f"regexp_full_match({text}, {literal(_SHAPES[ZONED])})"
    return f"case when {shaped} then try_cast({text} as {ZONED}) end"


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
