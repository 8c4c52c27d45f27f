"""What Parquet makes of DuckDB's types: those that it cannot hold exactly go there as text, or not at all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier, qualified

if TYPE_CHECKING:
    import duckdb

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


def columns_for_parquet(
    con: duckdb.DuckDBPyConnection, table: str, without: Collection[str] = ()
) -> Iterator[str]:
    """Yield each column of a table for a SELECT but some, cast where Parquet cannot hold its type exactly.

    Raises ValueError naming a column that it cannot hold at all.
    """
    described = con.execute(f"describe {qualified(table)}").fetchall()
    for name, type in (row[:2] for row in described if row[0] not in without):
        if what := refused(type):
            raise ValueError(f"Parquet cannot hold column {name!r} of {table}: it is {type}, with a {what}")
        column, exact = identifier(name), stored_as(type)
        if may_be_wide(type):
            is_wide = f"try_cast({column} as {exact})::{type} is distinct from {column}"
            (wide,) = con.execute(f"select exists(from {qualified(table)} where {is_wide})").fetchall()[0]
            exact = stored_as(type, bool(wide))
        yield f"cast({column} as {exact}) as {column}" if exact != type else column
