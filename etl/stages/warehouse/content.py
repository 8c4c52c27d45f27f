"""The version of a table's content: sums of row hashes, so that the order of rows does not matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from etl.engine.exact import counted, words
from etl.engine.quoting import identifier, literal, qualified
from etl.ledger import digest
from etl.models import Columns, Model
from etl.stages.warehouse.work import Build, Day, Part

if TYPE_CHECKING:
    import duckdb

#: What sets the second hash of a row apart from the first.
_OTHER = "11400714819323198485::ubigint"
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


def row_hashes(con: duckdb.DuckDBPyConnection, table: str, columns: Columns) -> str:
    """Return the SQL of an aggregate over rows, a text: equal for the same rows in any order, and for no others.

    It is `<rows>-<columns>-<sum>-<sum>`: names and types of the columns in order, and the sums of two hashes of 64
    bits for each row. Either hash is made of all values of the row, as words that tell them apart; the second
    takes them in the opposite order and with a constant, so that one says nothing of the other. Both are mixed
    once more before they are summed: a plain hash() of several values is the xor of what it makes of each, and one
    in 10^8 exchanges of values between two rows would leave the sum as it was.

    Two tables that differ have the same text with a chance of 2^-128 (3 in 10^39), however many rows they have. Of
    10^9 different rows, any two have the same two hashes with a chance of 10^18 / 2^129 (2 in 10^21). That is by
    chance: it is no protection against somebody who computes such rows.
    """
    found = [words(con, type, identifier(name)) for name, type in counted(table, columns)]
    first = ", ".join([word for item in found for word in item.first] or ["0"])
    second = ", ".join([word for item in reversed(found) for word in item.second] or ["0"])
    sums = [f"coalesce(sum(hash({hashed})), 0)" for hashed in (f"hash({first})", f"xor(hash({second}), {_OTHER})")]
    return f"concat_ws('-', count(*), {literal(columns_print(columns))}, {', '.join(sums)})"


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


@lru_cache(maxsize=4_096)
def columns_print(columns: Columns) -> str:
    """Return what stands for names and types of columns, in order."""
    return digest([list(column) for column in columns])
