"""Values as another type, exactly: DuckDB's own casts round numbers, cut off times, and choose instants."""

from __future__ import annotations

from etl.contract.clocks import ZONED, instant
from etl.contract.parse import parsed
from etl.engine.quoting import identifier, literal

_FLOATS = ("FLOAT", "DOUBLE")
#: Types that take a value as it is, or not at all; some cannot be cast back.
_WHOLE = ("VARCHAR", "JSON", "ENUM", "UUID", "BLOB", "BIT", "UNION", "VARIANT", "GEOMETRY")


def exact_cast(name: str, held: str, wanted: str, may_round: bool = False) -> str:
    """Return the SQL of the column `name` as another type; an error, naming both, for a value that is not of it.

    `may_round` lets floating-point numbers, which are near a value at best, be of the precision that is wanted.
    """
    column = identifier(name)
    if held == wanted or wanted == "VARCHAR":
        return column
    if held == "VARCHAR":
        value = parsed(column, wanted)
    elif wanted.startswith(_WHOLE) or (may_round and wanted in _FLOATS and held.startswith((*_FLOATS, "DECIMAL"))):
        return f"cast({column} as {wanted}) as {column}"
    elif wanted == ZONED and (held == "DATE" or (held.startswith("TIMESTAMP") and held != ZONED)):
        value = _back(instant(f"{column}::timestamp"), f"{column}::timestamp::{held}", column)
    else:
        value = f"try_cast({column} as {wanted})"
        value = _back(value, f"try_cast({value} as {held})", column)
    said = f"{literal(f'column {name}: ')} || {column}::varchar || {literal(f' is not a {wanted}')}"
    return f"case when {column} is null then null else coalesce({value}, error({said})) end as {column}"


def _back(value: str, back: str, column: str) -> str:
    """Return the SQL of a value; null if what comes `back` of it is not what the column holds."""
    return f"case when {back} is not distinct from {column} then {value} end"
