"""The version of a table's content: sums of row hashes, so that the order of rows does not matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from etl.ledger import fingerprint
from etl.models import Columns
from etl.quoting import identifier, qualified
from etl.stages.warehouse.work import Build, Built, Day, Part

if TYPE_CHECKING:
    import duckdb


def version(
    con: duckdb.DuckDBPyConnection, build: Build, built: Built, parts: Mapping[Day, Part], limit: int
) -> str:
    """Return what stands for the content of a table; two tables of the same version hold the same rows.

    A table that nobody reads, or of more than `limit` rows, is not looked at: what it was built from stands for
    it.
    """
    model = build.model
    if not is_hashed(build, built.rows, limit):
        return f"of {build.content}"
    if parts and model.materialized == "incremental":
        return fingerprint(sorted((str(day), part.version) for day, part in parts.items() if part.rows))
    return str(con.execute(f"select {row_hashes(model.stored)} from {qualified(model.name)}").fetchall()[0][0])


def is_hashed(build: Build, rows: int | None, limit: int) -> bool:
    """Return whether a table of so many rows is worth the look at its content."""
    return build.is_read and rows is not None and rows <= limit


def row_hashes(columns: Columns) -> str:
    """Return the SQL of an aggregate over rows: equal for the same rows in any order.

    Floating-point numbers count to 9 significant digits, since their sums depend on the order of rows.
    """
    values = ", ".join(_value(name, type) for name, type in columns)
    return f"count(*) || '-' || coalesce(sum(hash({values})), 0)"


def _value(name: str, type: str) -> str:
    column = identifier(name)
    if type not in ("DOUBLE", "FLOAT"):
        return column
    # the logarithm of zero is an error, and those of nan and infinity are no digits
    digits = f"cast(8 - floor(log10(abs({column}::double))) as integer)"
    rounded = f"round({column}::double, {digits})"
    return f"case when {column} = 0 or not isfinite({column}) then {column} else {rounded} end"
