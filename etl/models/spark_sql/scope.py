"""Scopes: which columns there are in a SELECT, of which types, and what its own aliases stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field

from sqlglot import exp

from etl.models.spark_sql.typing_sql import Types


@dataclass
class Scope:
    """What an expression of a SELECT may name; a subquery sees the scopes around it too."""

    types: Types
    #: DuckDB's text of what it reads: `from ...`, and the `with` that holds there.
    reads: str
    ctes: str = ""
    outer: Scope | None = None
    _: KW_ONLY
    aliases: Mapping[str, exp.Expression] = field(default_factory=dict)

    def type_of(self, column: exp.Column) -> str | None:
        """Return the type of a column; None if there is none of that name."""
        if self.reads:
            found = self.types.columns(
                f"{self.ctes}select {column.sql(dialect='duckdb', comments=False)} {self.reads}"
            )
            if found and len(found) == 1:
                return found[0][1]
        if self.outer and (column.table or column.name.lower() not in self.aliases):
            return self.outer.type_of(column)
        return None
