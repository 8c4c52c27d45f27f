"""What is known of the project's SQL, as plain data: models, audits, and how each model is built."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, field, fields
from functools import cache, cached_property
from typing import Any, TypeVar

from etl.contract.audit import Audit
from etl.models.asked import Columns, Header
from etl.models.kinds import KINDS, Kind

#: The columns that every raw table has beside those of its contract and its partition.
DELIVERED = ("_file", "_loaded_at")


@dataclass(frozen=True)
class Given:
    """A table that is there without a model: its columns with types, and its partition column if it is dated."""

    name: str
    columns: Columns
    partition: str = ""
    #: The columns that no file has: how and when a row was delivered.
    added: tuple[str, ...] = DELIVERED


@dataclass(frozen=True)
class Model:
    """One SELECT in sql/<schema>/<table>.sql; `normal` is its text without comments, spacing and case."""

    name: str
    file: str
    sql: str
    normal: str
    _: KW_ONLY
    reads: tuple[str, ...]
    header: Header = field(default_factory=Header)
    # What the SELECT yields; the table may have others, as its kind says: see `stored`.
    columns: Columns = ()
    # The stored tables of which a partition needs the same partition only (with `lookback`, and those before).
    by_date: tuple[str, ...] = ()
    # The stored tables of which it may need every row.
    whole: tuple[str, ...] = ()
    # Why no table is in by_date, though there is a partition column.
    why_full: str = ""
    # With `deletes: absent`, the dated tables whose deliveries are its snapshots, with or without rows in it.
    snapshots: tuple[str, ...] = ()
    # Of its columns, those that etl added to a raw table: how a row came, and nothing that it says.
    added: tuple[str, ...] = ()
    # The macros which it uses, as names and the statements that make them, in order.
    macros: tuple[tuple[str, str], ...] = ()
    # What it is, in the first sentence of its header; it decides on nothing.
    description: str = ""
    # Its columns that hold the values of others as they are: (column, ((table, column), ...)).
    passed: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()
    # With `engine: spark`, its SELECT as Spark computes it.
    spark: str = ""
    # What it is of a model that learns; see trained/tables.py.
    role: str = ""
    # The column that such a model tells.
    label: str = ""
    # Of predictions, the column that tells the day of a row.
    time: str = ""

    @property
    def materialized(self) -> str:
        return self.header.materialized

    @property
    def kind(self) -> Kind:
        """How it is built, and what that makes of its SELECT."""
        return KINDS[self.header.materialized]

    @property
    def is_in_files(self) -> bool:
        """Whether its rows are in files, one a partition if it has some, and its table is a view of them."""
        return bool(self.header.storage)

    @property
    def place(self) -> str:
        """What messages call it: its name, its file, and whom to ask."""
        return self.place_at(self.file)

    def place_at(self, where: str) -> str:
        """Return what messages call it, with file and line as `where`."""
        owner = f", owner: {self.header.owner}" if self.header.owner else ""
        return f"{self.name} ({where}{owner})"

    @property
    def notes(self) -> tuple[object, ...]:
        """What it says of itself, which decides on nothing that it holds."""
        header = self.header
        described = (self.description, header.column)
        # what it passes on changes with its SELECT only
        return (header.owner, header.unit, *(described if any(described) else ()))

    @property
    def ranked(self) -> tuple[str, ...]:
        """The columns in the order in which they decide between rows that are alike in what the header names."""
        names = [name for name, _ in self.columns]
        return (*(name for name in names if name not in self.added), *self.added)

    @property
    def stored(self) -> Columns:
        """The columns of the table that the model makes, with their types."""
        return self.kind.stored(self)


@dataclass(frozen=True)
class Macro:
    """One macro of sql/macros: the statement that makes it, and what changes with what it does (`normal`)."""

    name: str
    sql: str
    normal: str


_Item = TypeVar("_Item", Model, Audit, Header, Macro)


@dataclass(frozen=True)
class Models:
    """All models by name, each after those that it reads; all audits; all macros, each after those it uses."""

    models: dict[str, Model] = field(default_factory=dict)
    audits: dict[str, Audit] = field(default_factory=dict)
    macros: dict[str, Macro] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return text that from_json() reads without importing duckdb."""
        kinds: tuple[Mapping[str, Any], ...] = (self.models, self.audits, self.macros)
        return json.dumps([[asdict(item) for item in kind.values()] for kind in kinds])

    @classmethod
    def from_json(cls, text: str) -> Models:
        """Return what to_json() wrote."""
        models, audits, macros = json.loads(text)
        return cls(
            {row["name"]: _made(Model, {**row, "header": _made(Header, row["header"])}) for row in models},
            {row["name"]: _made(Audit, row) for row in audits},
            {row["name"]: _made(Macro, row) for row in macros},
        )

    @cached_property
    def views_under(self) -> Mapping[str, tuple[str, ...]]:
        """The views that each model reads, through any number of views."""
        found: dict[str, tuple[str, ...]] = {}
        for model in self.models.values():
            views = [read for read in model.reads if self._is_view(read)]
            found[model.name] = tuple(dict.fromkeys([*views, *(below for view in views for below in found[view])]))
        return found

    @cached_property
    def read(self) -> frozenset[str]:
        """The tables and views that some model reads."""
        return frozenset(name for model in self.models.values() for name in model.reads)

    def _is_view(self, name: str) -> bool:
        return name in self.models and not self.models[name].kind.is_stored


def _made(kind: type[_Item], row: Mapping[str, Any]) -> _Item:
    """Return a dataclass from JSON, in which tuples are lists."""
    any_kind: Any = kind
    names = _names(any_kind)
    return kind(**{name: _tuples(value) for name, value in row.items() if name in names})


@cache
def _names(kind: Any) -> frozenset[str]:
    return frozenset(item.name for item in fields(kind))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
