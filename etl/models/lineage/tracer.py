"""What the parts of a trace share: the SELECTs found so far, and how one within another is traced."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from etl.models.lineage.columns import Found, Traced
from etl.models.lineage.macros import Macro
from etl.models.lineage.parser import Node, Parser, Written
from etl.models.lineage.scope import Scope, names_apart

#: The tables of inner SELECTs by the names of CTEs.
Ctes = Mapping[str, str]


class Tracer(ABC):
    """One model's SELECT, with those within it: in `inner`, by names that begin with the model's."""

    def __init__(
        self,
        parser: Parser,
        name: str,
        sql: str,
        tables: Mapping[str, Sequence[str]],
        macros: Mapping[str, Sequence[Macro]],
    ) -> None:
        self.parser, self.tables, self.macros = parser, tables, macros
        self.written = Written(sql)
        self.inner: dict[str, Traced] = {}
        self._name = name

    def register(self, name: str, found: Found, renamed: Sequence[str] = ()) -> str:
        """Add a SELECT to `inner`, its first columns `renamed`, and return the name that it has there."""
        table, number = f"{self._name}/{name}", 1
        while table in self.inner:
            number += 1
            table = f"{self._name}/{name}~{number}"
        names = [*renamed, *(column for column, _ in found.columns[len(renamed) :])]
        made = [what for _, what in found.columns]
        columns = dict(zip(names_apart(names), made, strict=True))
        self.inner[table] = Traced(columns, found.rows, tuple(dict.fromkeys(found.reads)))
        return table

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Take apart what is not written in the model's file."""
        here, self.written = self.written, Written("")
        try:
            yield
        finally:
            self.written = here

    @abstractmethod
    def query(self, node: Node, ctes: Ctes, outer: Scope | None = None) -> Found:
        """Return what a SELECT, or a set operation of several, makes; `outer` are the names around it."""
