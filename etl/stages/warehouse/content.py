"""The version of a table's content: sums of row hashes, so that the order of rows does not matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import literal, qualified
from etl.engine.row_hashes import columns_print, row_hashes
from etl.ledger import digest
from etl.models import Model
from etl.stages.warehouse.work import Build, Day, Part

if TYPE_CHECKING:
    import duckdb

#: So many tables are looked at by one statement.
_TOGETHER = 50
#: From so many columns on, DuckDB takes longer to look for words that are alike than to make them twice.
_WIDE = 200
#: What a content that row_hashes() made looks like, as a regular expression.
HASHED = r"\d+-[0-9a-f]{32}-\d+-\d+"


def version(build: Build, rows: int | None, parts: Mapping[Day, Part], limit: int) -> str:
    """Return what stands for the content of a table; two tables of the same version hold the same rows.

    A table that nobody reads, or of more than `limit` rows, is not looked at: what it was built from stands for
    it. It is empty for one that is to be looked at: see hashed().
    """
    model = build.model
    if not is_hashed(build, rows, limit):
        return f"of {build.content}"
    if parts and model.kind.is_partitioned:
        days = sorted((str(day), part.version) for day, part in parts.items() if part.rows)
        return digest(columns_print(model.stored), days)
    return ""


def hashed(con: duckdb.DuckDBPyConnection, models: Sequence[Model]) -> dict[str, str]:
    """Return the versions of tables by what is in them, many looked at by one statement."""
    selects = [
        f"select {literal(model.name)}, {row_hashes(con, model.name, model.stored)} from {qualified(model.name)}"
        for model in models
    ]
    found: dict[str, str] = {}
    for start in range(0, len(selects), _TOGETHER):
        together = " union all ".join(selects[start : start + _TOGETHER])
        widest = max(len(model.stored) for model in models[start : start + _TOGETHER])
        found |= read_hashes(con, together, widest)
    return found


def is_hashed(build: Build, rows: int | None, limit: int) -> bool:
    """Return whether a table of so many rows is worth the look at its content."""
    return build.is_read and rows is not None and rows <= limit


def read_hashes(con: duckdb.DuckDBPyConnection, query: str, widest: int) -> list[tuple[Any, ...]]:
    """Return the rows of a query for row_hashes(), in time that grows with the columns; `widest` has so many."""
    if widest < _WIDE:
        return con.execute(query).fetchall()
    before = con.execute("select current_setting('disabled_optimizers')").fetchall()[0][0]
    con.execute("set disabled_optimizers = 'common_subexpressions'")
    try:
        return con.execute(query).fetchall()
    finally:
        con.execute(f"set disabled_optimizers = {literal(before)}")
