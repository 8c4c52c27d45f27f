"""The graph of all columns of a project, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from etl.errors import ConfigError, closest, unknown
from etl.models.lineage.columns import Made, Origin, Origins, Traced, unique

_One = TypeVar("_One")
_Other = TypeVar("_Other")


@dataclass(frozen=True)
class Lineage:
    """Every table, view and audit of a project and the SELECTs within them, each after what it reads."""

    tables: Mapping[str, Traced]

    def columns(self, name: str) -> list[Origin]:
        """Return the column `schema.table.column`, or all columns of `schema.table`.

        Raises ConfigError with the closest name if there is none.
        """
        name = name.lower()
        outer = [table for table in self.tables if is_outer(table)]
        if name in outer:
            return [Origin(name, column) for column in self.tables[name].columns]
        schema, *rest = name.split(".", 2)
        table, last = ".".join([schema, *rest[:1]]), "".join(rest[1:])
        there = self.tables[table].columns if table in outer else ()
        if found := [Origin(table, column) for column in there if column.lower() == last]:
            return found
        known = [f"{table}.{column}" for column in there] or outer
        # a wrong table may have a column behind it
        meant = name if closest(name, known) else table
        instead = "Name it as schema.table or schema.table.column"
        raise ConfigError(unknown(f"There is no table or column {name}", meant, known, instead))

    def tables_named(self, name: str) -> list[str]:
        """Return the table that a name means as a whole, if it means no single column."""
        return [name.lower()] if name.lower() in self.tables else []

    @cached_property
    def values(self) -> Mapping[Origin, Origins]:
        """For each column, those of other tables, or of a raw file, that it is made of."""
        columns = [Origin(table, name) for table, what in self.tables.items() for name in what.columns]
        return {column: self._outside(column) for column in columns}

    @cached_property
    def rows(self) -> Mapping[str, Origins]:
        """For each table, the columns of others that decide which rows it has."""
        return {table: unique(self._deciding(table)) for table in self.tables}

    @cached_property
    def reads(self) -> Mapping[str, tuple[str, ...]]:
        """For each table, the others that it reads."""
        return {table: tuple(dict.fromkeys(self._read_by(table))) for table in self.tables}

    @cached_property
    def into(self) -> Mapping[Origin, list[Origin]]:
        """For each column, those of other tables that are made of it."""
        return _turned({column: made_of for column, made_of in self.values.items() if is_outer(column.table)})

    @cached_property
    def decides(self) -> Mapping[Origin, list[str]]:
        """For each column, the other tables whose rows it decides on."""
        return _turned({table: rows for table, rows in self.rows.items() if is_outer(table)})

    @cached_property
    def readers(self) -> Mapping[str, list[str]]:
        """For each table, the others that read it."""
        return _turned({table: reads for table, reads in self.reads.items() if is_outer(table)})

    def made(self, column: Origin) -> Made:
        """Return what a column is made of in its own table or SELECT; nothing for that of a raw file."""
        table = self.tables.get(column.table)
        return table.columns[column.name] if table else Made(())

    def same(self, column: Origin) -> Origins:
        """Return the columns of other tables whose values a column holds as they are; none if it is computed."""
        found: dict[Origin, None] = {}
        for one in reachable(
            [column], lambda one: self.made(one).same if one == column or self.is_step(one) else ()
        ):
            if one == column or self.is_step(one):
                if not self.made(one).same:
                    return ()
            else:
                found[one] = None
        return tuple(found)

    def is_step(self, column: Origin) -> bool:
        """Return whether a column is one of a SELECT within a model."""
        return column.table in self.tables and not is_outer(column.table)

    def _outside(self, column: Origin) -> Origins:
        def inner(one: Origin) -> Origins:
            return self.made(one).values if one == column or self.is_step(one) else ()

        return tuple(one for one in reachable([column], inner) if one != column and not self.is_step(one))

    def _deciding(self, table: str) -> Iterator[Origin]:
        for part in self._parts(table):
            for column in self.tables[part].rows:
                yield from self.values[column] if self.is_step(column) else [column]

    def _read_by(self, table: str) -> Iterator[str]:
        for part in self._parts(table):
            yield from filter(is_outer, self.tables[part].reads)

    def _parts(self, table: str) -> Iterator[str]:
        """Yield a table and the SELECTs within it that it reads."""
        return reachable([table], lambda part: [read for read in self.tables[part].reads if not is_outer(read)])


def is_outer(table: str) -> bool:
    """Return whether a name is that of a table, view or audit, not of a SELECT within one."""
    return "/" not in table


def reachable(start: Iterable[_One], after: Callable[[_One], Iterable[_One]]) -> Iterator[_One]:
    """Yield each of `start`, what comes after it, what comes after that, and so on, each once and in order."""
    left, seen = list(start)[::-1], set()
    while left:
        one = left.pop()
        if one not in seen:
            seen.add(one)
            yield one
            left += list(after(one))[::-1]


def _turned(edges: Mapping[_One, Iterable[_Other]]) -> dict[_Other, list[_One]]:
    found: dict[_Other, list[_One]] = {}
    for one, others in edges.items():
        for other in others:
            found.setdefault(other, []).append(one)
    return found
