"""The graph of columns: each column of a model, and the columns of the tables it reads that it is made of."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from etl.contract import Catalog, Source
from etl.errors import ConfigError
from etl.lineage.select import traced
from etl.models import Model, Models


class Column(NamedTuple):
    """A column of a table or view; of a raw file, the table is its path below data/raw."""

    table: str
    name: str

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


@dataclass(frozen=True)
class Made:
    """What a column is made of; `steps` are the expressions on the way, in the SELECT and the ones within it.

    `rows` are the columns that decide which rows there are: of joins, conditions and groups. If the SELECT cannot
    be taken apart (`is_opaque`), the column may depend on every column of what is read.
    """

    file: str = ""
    steps: tuple[str, ...] = ()
    values: tuple[Column, ...] = ()
    rows: tuple[Column, ...] = ()
    is_opaque: bool = False


@dataclass(frozen=True)
class Lineage:
    """Every column of the project, with what it is made of."""

    made: Mapping[Column, Made]
    #: For each column, those that are made of it or whose rows it decides.
    used: Mapping[Column, tuple[Column, ...]] = field(default_factory=dict)

    def columns(self, name: str) -> list[Column]:
        """Return the column `schema.table.column`, or all columns of `schema.table`.

        Raises ConfigError with the closest name if there is none.
        """
        tables = {column.table for column in self.made}
        if name in tables:
            return [column for column in self.made if column.table == name]
        table, _, last = name.rpartition(".")
        if (found := Column(table, last)) in self.made:
            return [found]
        known = [str(column) for column in self.made if column.table == table] or sorted(tables)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "name it as schema.table or schema.table.column."
        raise ConfigError(f"there is no table or column {name}; {hint}")


def read_lineage(catalog: Catalog, models: Models) -> Lineage:
    """Return the lineage of all columns of the project's sources and models."""
    made: dict[Column, Made] = {}
    types: dict[str, dict[str, str]] = {}
    for source in catalog.sources.values():
        made |= _source(source)
        types[source.table] = dict(source.columns)
    for model in models.models.values():
        made |= _model(model, types)
        types[model.name] = dict(model.stored)
    used: dict[Column, dict[Column, None]] = {}
    for column, what in made.items():
        for below in (*what.values, *what.rows):
            used.setdefault(below, {})[column] = None
    return Lineage(made, {column: tuple(above) for column, above in used.items()})


def _source(source: Source) -> dict[Column, Made]:
    """Return the columns of raw.<source>; a column that the file does not have is made of its path."""
    names = {column.name: " or ".join([column.name, *column.aliases]) for column in source.contract.columns}
    path = f"data/raw/{source.files}"
    return {
        Column(source.table, name): Made(values=(Column(path, names.get(name, f"({name})")),))
        for name in source.columns
    }


def _model(model: Model, types: Mapping[str, Mapping[str, str]]) -> dict[Column, Made]:
    reads = {read: types[read] for read in model.reads}
    selected = traced(model.sql, reads, [name for name, _ in model.columns])
    every = tuple(Column(table, name) for table, columns in reads.items() for name in columns)
    if selected is None:
        return {Column(model.name, name): Made(model.file, (), every, (), True) for name, _ in model.stored}
    rows = tuple(Column(*column) for column in selected.rows)
    found = {}
    header = model.header
    times = {header.valid_from or header.partition, header.deletes}
    for name, _ in model.stored:
        # what a history adds tells when the others changed
        made_of = [name] if name in selected.columns else [other for other in selected.columns if other in times]
        parts = [selected.columns[other] for other in made_of]
        steps = parts[0].steps if name in selected.columns else ("when the row changed",)
        values = dict.fromkeys(Column(*column) for part in parts for column in part.values)
        found[Column(model.name, name)] = Made(model.file, steps, tuple(values), rows)
    return found
