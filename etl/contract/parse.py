"""Text to value: the SQL that reads a raw cell as the type of its column, and gives null if it is none.

DuckDB's own casts are too willing for a contract: 1.5 becomes the BIGINT 2, a timestamp becomes a DATE.
"""

from __future__ import annotations

import re

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


def parsed(text: str, type: str) -> str:
    """Return an expression of DuckDB `type` for the varchar expression `text`; null where it is no such value.

    Numbers are plain decimal, with no rounding: a DECIMAL takes no more digits than its scale has. Dates and
    timestamps are ISO 8601; a timestamp with no offset is in the connection's TimeZone.
    """
    if type == "VARCHAR":
        return text
    shape = _shape(type)
    cast = f"try_cast({text} as {type})"
    if type in ("FLOAT", "DOUBLE"):
        # 1e400 would become infinite without a word
        cast = f"case when isfinite({cast}) or not regexp_matches({text}, '[0-9]') then {cast} end"
    return f"case when regexp_full_match({text}, {literal(shape)}) then {cast} end" if shape else cast


def _shape(type: str) -> str:
    if scale := re.fullmatch(r"DECIMAL\(\d+,\s*(\d+)\)", type):
        return rf"[+-]?\d*(\.\d{{0,{scale[1]}}}0*)?"
    return _SHAPES.get(_KINDS.get(type, type), "")
