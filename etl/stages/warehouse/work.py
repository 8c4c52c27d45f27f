"""What is to be done about a model: nothing, some of its partitions, or all of it; and why, in plain words.

Receipts are compared with fingerprints that change with anything upstream. Here is the closer look, at the step:
if what a model reads holds the same content as when it was built, there is nothing to do, and what depends on it
will find the same (early cutoff).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etl.engine.quoting import identifier, qualified
from etl.errors import few
from etl.ledger import fingerprint, fingerprint_of_texts
from etl.models import CLOCKS, LOG_NAMES, PARTITIONS, Model

if TYPE_CHECKING:
    import duckdb

    from etl.stages.trained.artefact import Artefacts
    from etl.stages.trained.heard import Heard
    from etl.stages.warehouse.staged import Staged

#: A partition; None is that of the rows whose partition column is null.
Day = date | None

#: What stands for the partitions of no table.
NOTHING = fingerprint([])

#: So many partitions are replaced one by one, even if they are most of the table.
_FEW = 10

#: Table by table, the version of its content.
Versions = Mapping[str, str]


class Elsewhere(Protocol):
    """Who has partitions of models built by other processes, and takes in what they made."""

    def takes(self, con: duckdb.DuckDBPyConnection, build: Build, days: Iterable[date]) -> list[date]:
        """Return those of the partitions of a model that can be built so."""

    def make(self, con: duckdb.DuckDBPyConnection, build: Build) -> int | None:
        """Make the table of a model that is computed there; return its rows, or None if it is not."""

    def insert(self, con: duckdb.DuckDBPyConnection, build: Build, days: Sequence[date]) -> None:
        """Put the rows of such partitions into the table, which has none of them. Raises TransformError."""

    def files(
        self, con: duckdb.DuckDBPyConnection, build: Build, together: Sequence[Sequence[Day]]
    ) -> list[Staged]:
        """Return files of such partitions, one for those that are together. Raises TransformError."""


@dataclass(frozen=True)
class Build:
    """A model as it should be built, for the fingerprint `content`; `definition` is that of its own code.

    `anew` builds it even if nothing changed. `is_read` says whether other models are built from it.
    """

    model: Model
    content: str
    definition: str
    anew: bool = False
    _: KW_ONLY
    is_read: bool = True
    #: What the file of a Python model is relative to, and what it is given.
    folder: Path = Path()
    variables: Mapping[str, str] = field(default_factory=dict)
    #: Who hears of what a model that learns has learned.
    heard: Heard | None = None
    #: Where models that learn lie that are too large for a row.
    artefacts: Artefacts | None = None
    #: Where its rows lie that are in files, in a folder of its name; None if they are in its table.
    parts: Path | None = None
    #: Who builds partitions of it in other processes; None: nobody.
    elsewhere: Elsewhere | None = None

    @property
    def text(self) -> str:
        """The model's SELECT; the file of a Python model."""
        model = self.model
        return model.sql if model.kind.is_select else (self.folder / model.file).read_text(encoding="utf-8-sig")


@dataclass(frozen=True, kw_only=True)
class Built:
    """A model as build.duckdb holds it: `inputs` are the versions of what it was built from as a whole.

    `text` is that of its Build. `seconds` are those of the last build, `full_seconds` those of the last full one.
    """

    content: str
    materialized: str
    rows: int | None
    seconds: float
    definition: str
    inputs: Versions
    version: str
    text: str = ""
    full_seconds: float = 0.0


@dataclass(frozen=True)
class Part:
    """A partition of a model as build.duckdb holds it; `inputs` stands for the partitions it was built from."""

    inputs: str
    version: str = ""
    rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done: all of it (`full`), or the partitions `days`, or nothing; `why` in plain words.

    `reach` are dates without a delivery and without rows that are looked at too: by its lookback, a model may have
    rows of them now.
    """

    full: bool = False
    days: Sequence[Day] = ()
    why: str = ""
    reach: Sequence[Day] = ()
    #: Why all of it is done every time, though the model has partitions.
    in_full: str = ""

    @property
    def looked_at(self) -> Sequence[Day]:
        """The partitions of which rows are looked for."""
        return (*self.days, *self.reach)

    def __bool__(self) -> bool:
        return self.full or bool(self.days)


@dataclass
class State:
    """What build.duckdb says that it holds, read when it is asked for, with what this step has added to it."""

    con: duckdb.DuckDBPyConnection
    built: dict[str, Built] = field(default_factory=dict)
    raw: dict[str, str] = field(default_factory=dict)
    _parts: dict[str, dict[Day, Part]] = field(default_factory=dict)
    _: KW_ONLY
    #: Returns the versions of stored models by what is in them.
    look: Callable[[duckdb.DuckDBPyConnection, Sequence[Model]], Mapping[str, str]] | None = None
    _unseen: dict[str, Model] = field(default_factory=dict)
    _schemas: set[str] = field(default_factory=set)
    _date_inputs: dict[str, dict[Day, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = self.con.execute(
            "select name, fingerprint, materialized, rows, seconds, coalesce(definition, ''), "
            "coalesce(inputs, '{}'), coalesce(version, ''), coalesce(text, ''), coalesce(full_seconds, 0) "
            "from etl.models left join etl._builds using (name)"
        ).fetchall()
        names = [column.name for column in fields(Built)]
        self.built = {
            name: Built(**{**dict(zip(names, values, strict=True)), "inputs": json.loads(values[5])})
            for name, *values in rows
        }
        self.raw = dict(self.con.execute("select 'raw.' || source, content from etl._tables").fetchall())

    @cached_property
    def filed(self) -> set[str]:
        """The models whose rows are in files."""
        return {name for (name,) in self.con.execute("select distinct name from etl._files").fetchall()}

    def version(self, table: str) -> str:
        """Return the version of all of a stored table; of one of the log, of all in it that is no clock."""
        if table in LOG_NAMES:
            return self._logged(table)
        if table in self._unseen:
            self._look()
        return self.built[table].version if table in self.built else self.raw.get(table, "")

    def _look(self) -> None:
        """Look at all tables that were built and not looked at yet: together they cost less."""
        assert self.look
        unseen, self._unseen = self._unseen, {}
        for name, version in self.look(self.con, list(unseen.values())).items():
            self.built[name] = replace(self.built[name], version=version)

    def make_schema(self, name: str) -> None:
        """Make a schema, if that was not done before."""
        if name not in self._schemas:
            self.con.execute(f"create schema if not exists {identifier(name)}")
            self._schemas.add(name)

    def _logged(self, table: str) -> str:
        query = "select 1 from duckdb_tables() where schema_name || '.' || table_name = $1"
        if not self.con.execute(query, [table]).fetchall():
            return ""
        clocks = ", ".join(column for column in CLOCKS if table == PARTITIONS or column == "run_id")
        rows = self.con.execute(f"select * exclude ({clocks}) from {qualified(table)} order by all").fetchall()
        return fingerprint([list(map(str, row)) for row in rows])

    def parts(self, table: str) -> dict[Day, Part]:
        """Return the partitions of a stored table, as etl replaces them."""
        if table not in self._parts:
            if table in self.raw:
                query = "select date, fingerprint from etl._loaded where 'raw.' || source = $1"
                found = {day: Part("", print_) for day, print_ in self.con.execute(query, [table]).fetchall()}
            else:
                query = "select date, inputs, version, rows from etl._partitions where name = $1"
                found = {row[0]: Part(*row[1:]) for row in self.con.execute(query, [table]).fetchall()}
            self._parts[table] = found
        return self._parts[table]

    def snapshots(self, tables: Sequence[str]) -> list[date]:
        """Return the dates of which each of some dated tables has a delivery, be it without rows.

        One that was refused, or of which every record was rejected, says nothing about what there is.
        """
        days = [self._delivered(table) for table in tables]
        return sorted(set.intersection(*days)) if days else []

    def _delivered(self, table: str) -> set[date]:
        query = "select date from etl._loaded where 'raw.' || source = $1 and coalesce(is_taken, true)"
        rows = self.con.execute(query, [table]).fetchall() if table in self.raw else ()
        return {day for (day,) in rows} if table in self.raw else {day for day in self.parts(table) if day}

    def date_inputs(self, model: Model) -> dict[Day, str]:
        """Return what date_inputs() does; it is asked for before and after a model is made."""
        if model.name not in self._date_inputs:
            self._date_inputs[model.name] = self._day_inputs(model) if model.time else date_inputs(model, self)
        return self._date_inputs[model.name]

    def _day_inputs(self, model: Model) -> dict[Day, str]:
        from etl.stages.trained.days import day_inputs

        return day_inputs(self.con, model)

    def put_raw(self, table: str, version: str, parts: Mapping[Day, Part]) -> None:
        """Note what a raw table holds now."""
        self.raw[table] = version
        self._date_inputs.clear()
        self._parts[table] = dict(parts)

    def put(self, model: Model, built: Built, parts: Mapping[Day, Part] | None = None) -> None:
        """Note how a model is built now, with all of its partitions if it has any.

        One without a version is looked at when its version is asked for.
        """
        self.built[model.name] = built
        self._date_inputs.clear()
        self._parts[model.name] = dict(parts or {})
        if not built.version:
            self._unseen[model.name] = model


def work(build: Build, state: State) -> Work:
    """Return what is to be done so that the model is what its SELECT says now."""
    todo, reason = _work(build, state), build.model.why_full
    if not todo.full or not reason:
        return todo
    return replace(todo, why=f"{todo.why} (built in full: {reason})", in_full=reason)


def _work(build: Build, state: State) -> Work:
    model, built = build.model, state.built.get(build.model.name)
    if built is None:
        return Work(full=True, why="never built")
    if build.anew:
        return Work(full=True, why="forced")
    if built.definition != build.definition or built.materialized != model.materialized:
        return Work(full=True, why="its definition changed")
    now = whole_inputs(model, state)
    if changed := sorted(name for name in {*now, *built.inputs} if now.get(name) != built.inputs.get(name)):
        return Work(full=True, why=f"{', '.join(changed)} changed")
    return _by_date(model, state) if model.by_date else Work()


def whole_inputs(model: Model, state: State) -> dict[str, str]:
    """Return the versions of what the model is built from as a whole: tables, and which snapshots there are."""
    found = {table: state.version(table) for table in model.whole}
    if model.snapshots and not model.by_date:
        found["snapshots"] = fingerprint(list(map(str, state.snapshots(model.snapshots))))
    return found


def date_inputs(model: Model, state: State) -> dict[Day, str]:
    """Return, for each partition that the model may have rows of, what stands for the ones it is built from."""
    parts = {table: state.parts(table) for table in model.by_date}
    back = range(model.header.lookback + 1)
    found: dict[Day, list[tuple[str, str, str]]] = {}
    for table, days in parts.items():
        for day, part in days.items():
            if part.rows == 0:
                continue  # as good as none
            for ahead in back if day else (0,):
                reached = day + timedelta(ahead) if day else None
                found.setdefault(reached, []).append((table, str(day), part.version))
    for day in state.snapshots(model.snapshots) if parts else ():
        found.setdefault(day, []).append(("snapshot", str(day), ""))
    return {day: fingerprint_of_texts(sorted(versions)) for day, versions in found.items()}


def _by_date(model: Model, state: State) -> Work:
    now, before = state.date_inputs(model), state.parts(model.name)
    changed = [
        day
        for day in {**now, **before}
        if now.get(day, NOTHING) != (before[day].inputs if day in before else None)
    ]
    if not changed:
        return Work()
    there = {day for table in model.by_date for day in state.parts(table)}
    known = there | {day for day, part in before.items() if part.rows}
    counted = [day for day in changed if not model.header.lookback or day in known] or changed
    tables, days = ", ".join(model.by_date), _in_order({*counted, None})
    # which rows have no date may depend on any of them
    if len(counted) > max(_FEW, len(there) // 2):
        why = _most(model, tables, len(counted))
        return Work(full=True, why=why, in_full=why if model.header.lookback else "")
    reach = _in_order({*changed} - {*days})
    return Work(days=days, why=f"new or changed in {tables}: {_days([day for day in days if day])}", reach=reach)


def _in_order(days: Iterable[Day]) -> list[Day]:
    return sorted(days, key=lambda day: (day is None, day or date.min))


def _most(model: Model, tables: str, count: int) -> str:
    """Return why all is built though a model is built by partition."""
    if not model.header.lookback:
        return f"most partitions of {tables} changed"
    return (
        f"most partitions read what changed in {tables}: {count:,} of them, "
        f"with a lookback of {model.header.lookback:,} days"
    )


def _days(days: Sequence[Day]) -> str:
    return few(days) or "rows without a date"
