"""What Parquet makes of DuckDB's types: those that it cannot hold exactly go there as text, or not at all."""

from __future__ import annotations

import re

#: Parquet has no 128-bit integers, and DuckDB would round them; of up to 38 digits it has decimals.
_INTEGERS = ("UHUGEINT", "HUGEINT")
#: Parquet has intervals of whole milliseconds, and no offsets of times.
_TEXTS = ("INTERVAL", "TIME WITH TIME ZONE")
#: DuckDB would write other structs in their place, or fail at some values.
_REFUSED = ("UNION", "TUPLE", "VARIANT")

#: Parquet has geometries as columns only, and DuckDB would write bytes in their place.
_COLUMN_ONLY = "GEOMETRY"
_NAMES = "|".join((*_INTEGERS, *_TEXTS, *_REFUSED, _COLUMN_ONLY))
# not what is quoted, nor a field of such a name, behind which its type comes
_NAME = re.compile(rf"""\"(?:[^"]|"")*"|'(?:[^']|'')*'|(?:^|(?<=[ (]))({_NAMES})(?=[,()\[]|$)""")


def stored_as(type: str, is_wide: bool = False) -> str:
    """Return the type as which values of a type go to Parquet; `is_wide` if integers have more than 38 digits."""

    def exact(found: re.Match[str]) -> str:
        if found[1] in _TEXTS or (is_wide and found[1] in _INTEGERS):
            return "VARCHAR"
        return "DECIMAL(38,0)" if found[1] in _INTEGERS else found[0]

    return _NAME.sub(exact, type)


def may_be_wide(type: str) -> bool:
    """Return whether values of a type can hold integers of more than 38 digits."""
    return any(found[1] in _INTEGERS for found in _NAME.finditer(type))


def refused(type: str) -> str:
    """Return what is in a type that cannot go to Parquet; empty if nothing is."""
    if re.fullmatch(rf"{_COLUMN_ONLY}(\('[^']*'\))?", type):
        return ""
    return next((found[1] for found in _NAME.finditer(type) if found[1] in (*_REFUSED, _COLUMN_ONLY)), "")
