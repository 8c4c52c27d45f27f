"""The types of expressions, as DuckDB tells them of what it would run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


@dataclass
class Types:
    """Asks DuckDB for types, each question once."""

    con: duckdb.DuckDBPyConnection
    _known: dict[str, list[tuple[str, str]] | None] = field(default_factory=dict)

    def columns(self, query: str) -> list[tuple[str, str]] | None:
        """Return names and types of the columns of a query; None if DuckDB refuses it."""
        import duckdb

        if query not in self._known:
            try:
                rows = self.con.execute(f"describe {query}").fetchall()
                self._known[query] = [(str(row[0]), str(row[1])) for row in rows]
            except duckdb.Error:
                self._known[query] = None
        return self._known[query]

    def one(self, expression: str, types: Sequence[str]) -> str | None:
        """Return the type of an expression over values `_0`, `_1` ... of the given types."""
        given = ", ".join(f"cast(null as {type}) as _{number}" for number, type in enumerate(types))
        found = self.columns(f"select {expression} from (select {given or 'null as _'}) as t")
        return found[0][1] if found else None

    def common(self, types: Sequence[str], texts: Sequence[str | None] = ()) -> str | None:
        """Return the type that DuckDB compares values in; a literal has a text, and no type of its own."""
        given = [text or f"_{number}" for number, text in enumerate(texts or [None] * len(types))]
        return self.one(f"coalesce({', '.join(given)})", types)
