"""What an expression becomes: its text in Spark with its type in DuckDB; and the word for what cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sqlglot import exp

from etl.models.spark_sql.types import kind_of


class Value(NamedTuple):
    """An expression as SQL of Spark, its type in DuckDB, and the text of DuckDB if it is a literal."""

    text: str
    type: str
    literal: str | None = None

    @property
    def kind(self) -> str:
        """The kind of its type."""
        return kind_of(self.type)

    @property
    def is_null(self) -> bool:
        """Whether it is the word null, which has no type."""
        return self.literal == "null"


class Maker(Protocol):
    """What translates the expressions of one scope."""

    def value(self, node: exp.Expression) -> Value:
        """Return an expression in Spark. Raises Refusal for what is not on the list."""

    def values(self, nodes: Sequence[exp.Expression]) -> list[Value]:
        """Return each of some expressions."""


class Refusal(Exception):
    """What is not on the list, and its line; see translated(), which says it."""

    def __init__(self, node: exp.Expression, what: str, instead: str = "") -> None:
        super().__init__(what)
        self.what, self.instead = what, instead
        self.line = next((one.meta["line"] for one in node.walk() if "line" in one.meta), 0)


def shown(node: exp.Expression) -> str:
    """Return an expression as a message names it."""
    sql = node.sql(dialect="duckdb", comments=False)
    return sql if len(sql) <= 80 else f"{sql[:77]}..."


def is_asked_of_rows(node: exp.Expression) -> bool:
    """Return whether a condition stands in where by itself: elsewhere, Spark says false of what is null."""
    found: exp.Expression | None = node.parent
    if isinstance(found, exp.Not):
        found = found.parent
    while isinstance(found, exp.Paren | exp.And):
        found = found.parent
    return isinstance(found, exp.Where)
