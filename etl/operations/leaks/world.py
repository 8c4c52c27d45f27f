"""The warehouse as it was known at a moment: a published file without what came later, built on in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from etl.engine.quoting import identifier, literal, qualified
from etl.errors import StepError
from etl.models import ALWAYS, LOG_NAMES, Given, Model, Models, models_over
from etl.plan.stale import definitions_of
from etl.project import Project
from etl.stages.warehouse import Build, build_models
from etl.stages.warehouse.build import empty, transaction

if TYPE_CHECKING:
    import duckdb

#: The catalog of what is published, and that of the models whose code is another one since, built once more.
PUBLISHED, CHANGED = "published", "changed"
#: How what is known of a table by a moment is found: it never changes; its partitions that are over by then; its
#: rows and columns by the times that its model names; or it is built of what was known.
_STATIC, _PARTS, _TIMES, _BUILT = "static", "parts", "times", "built"


@dataclass(frozen=True, kw_only=True)
class World:
    """A published file and the models as the code has them now; `con` is a database in memory with it attached."""

    project: Project
    con: duckdb.DuckDBPyConnection
    models: Models
    raw: Mapping[str, Given]
    #: The fingerprints of the code by which the file was made; that of a model by the model's file.
    definitions: Mapping[str, str]
    #: The models whose code changed since.
    changed: set[str] = field(default_factory=set)
    _built: dict[tuple[str, ...], tuple[Models, Mapping[str, str]]] = field(default_factory=dict)

    def now(self, table: str) -> str:
        """Return the SQL name of a table with all that is known of it by now."""
        return f"{CHANGED if table in self.changed else PUBLISHED}.{qualified(table)}"

    def below(self, names: Collection[str]) -> list[str]:
        """Return tables and what is to be made or given for them, in order."""
        found: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in found:
                if self._ways.get(name) == _BUILT:
                    for read in self._model(name).reads:
                        visit(read)
                found[name] = None

        for name in names:
            visit(name)
        return list(found)

    def is_cut(self, name: str) -> bool:
        """Return whether anything of a table is known later than something else."""
        return self._ways.get(name, _STATIC) != _STATIC

    def undated(self, name: str) -> list[str]:
        """Return the raw tables below a table of which nothing tells since when their rows are known."""
        below = self._everything([name])
        return [read for read in below if read in self.raw and read not in LOG_NAMES and not self.is_cut(read)]

    def rows_below(self, name: str) -> int:
        """Return about how many rows a table is made of."""
        tables = [read for read in self._everything([name]) if read in self.raw]
        query = (
            "select coalesce(sum(estimated_size), 0)::bigint from duckdb_tables() "
            "where database_name = $1 and list_contains($2, schema_name || '.' || table_name)"
        )
        return int(self.con.execute(query, [PUBLISHED, tables]).fetchall()[0][0])

    def last(self, name: str) -> datetime | None:
        """Return the moment from which all is known that a table is made of; None if that is nothing."""
        found = []
        for read in self.below([name]):
            way = self._ways.get(read)
            if way == _PARTS:
                found.append((self._partition(read), "DATE", read))
            elif way == _TIMES:
                header, types = self._model(read).header, dict(self._model(read).stored)
                times = (header.known, *(time for _, time in header.known_columns))
                found += [(time, types[time], read) for time in times if time != ALWAYS]
        maxima = [f"(select max({usable(time, type)}) from {self.now(table)})" for time, type, table in found]
        ((time,),) = self.con.execute(f"select epoch_us(greatest({', '.join(maxima)}))").fetchall()
        return None if time is None else self.moment(time)

    def moment(self, microseconds: int) -> datetime:
        """Return a moment in the project's time zone, of microseconds since 1970."""
        return datetime.fromtimestamp(microseconds / 1_000_000, ZoneInfo(self.project.settings.timezone))

    def rebuild_changed(self, names: Collection[str]) -> None:
        """Build what `names` are made of once more, where its code is not the one that the file was made by."""
        code = definitions_of(self.models, self.project.settings.timezone)
        wanted: set[str] = set()
        for model in (self._model(name) for name in self._everything(names) if name in self.models.models):
            is_same = code[model.name] in self.definitions.get(model.file, "").split()
            if not is_same or not wanted.isdisjoint(model.reads):
                wanted.add(model.name)
        if not wanted:
            return
        given = {read: "" for name in wanted for read in self.models.models[name].reads if read not in wanted}
        self.con.execute(f"attach ':memory:' as {CHANGED}")
        with self._made(given, wanted, None):
            for name in wanted:
                self.con.execute(f"create schema if not exists {CHANGED}.{identifier(name.split('.')[0])}")
                self.con.execute(f"create table {CHANGED}.{qualified(name)} as from {qualified(name)}")
        self.changed.update(wanted)

    @contextmanager
    def cut(self, names: Collection[str], moment: datetime) -> Iterator[None]:
        """Lend the tables `names` as they would have been built of what was known at a moment."""
        given, built = {}, set()
        for name in self.below(names):
            way = self._ways.get(name, _STATIC)
            if way == _BUILT:
                built.add(name)
            else:
                given[name] = self._known(name, way, moment)
        with self._made(given, built, moment):
            yield

    def _known(self, name: str, way: str, moment: datetime) -> str:
        """Return the SELECT of what was known of a table at a moment; nothing for all of it."""
        if way == _STATIC:
            return ""
        if way == _PARTS:
            before = literal(self._day(moment))
            return f"select * from {self.now(name)} where {identifier(self._partition(name))} < {before}"
        model = self._model(name)
        header, types = model.header, dict(model.stored)
        columns = [
            f"case when {usable(time, types[time])} <= {instant(moment)} then {identifier(column)} end"
            f" as {identifier(column)}"
            for column, time in self._times(model).items()
        ]
        replaced = f" replace ({', '.join(columns)})" if columns else ""
        known = "" if header.known == ALWAYS else usable(header.known, types[header.known])
        where = f" where {known} <= {instant(moment)}" if known else ""
        return f"select *{replaced} from {self.now(name)}{where}"

    def _times(self, model: Model) -> dict[str, str]:
        """Return by column the time at which it is known; such a time is known when it has come itself."""
        named = dict(model.header.known_columns)
        return {**{time: time for time in named.values() if time != model.header.known}, **named}

    def _day(self, moment: datetime) -> str:
        """Return the day of a moment, of which the partition is not over yet."""
        return str(moment.astimezone(ZoneInfo(self.project.settings.timezone)).date())

    def _partition(self, name: str) -> str:
        return self.raw[name].partition if name in self.raw else self._model(name).header.partition

    def _model(self, name: str) -> Model:
        return self.models.models[name]

    def _everything(self, names: Collection[str]) -> list[str]:
        """Return tables and all that they are made of, in order."""
        found: dict[str, None] = {}

        def visit(name: str) -> None:
            for read in self.models.models[name].reads if name in self.models.models else ():
                visit(read)
            found[name] = None

        for name in names:
            visit(name)
        return list(found)

    @cached_property
    def _ways(self) -> dict[str, str]:
        ways = {name: _PARTS if table.partition else _STATIC for name, table in self.raw.items()}
        for name, model in self.models.models.items():
            below = {ways.get(read, _STATIC) for read in model.reads}
            if model.header.known and not model.header.entity:
                ways[name] = _TIMES
            elif below <= {_STATIC}:
                ways[name] = _STATIC
            else:
                ways[name] = _PARTS if self._is_by_partition(model, ways) else _BUILT
        return ways

    def _is_by_partition(self, model: Model, ways: Mapping[str, str]) -> bool:
        """Return whether each partition of a model is made of that partition of others alone, and of constants."""
        views = self.models.views_under[model.name]
        stored = {*model.by_date, *model.whole}
        return (
            model.kind.is_partitioned
            and not model.header.lookback
            and bool(model.by_date)
            and all(ways[name] == _PARTS for name in model.by_date)
            and all(ways.get(name, _STATIC) == _STATIC for name in model.whole)
            and all(ways[name] != _TIMES for name in views)
            and stored >= {read for name in (model.name, *views) for read in self._stored_reads(name)}
        )

    def _stored_reads(self, name: str) -> Iterator[str]:
        for read in self._model(name).reads:
            if read not in self.models.models or self._model(read).kind.is_stored:
                yield read

    @contextmanager
    def _made(self, given: Mapping[str, str], names: Collection[str], moment: datetime | None) -> Iterator[None]:
        """Lend models built on tables that are given by SELECTs, where an empty one is all there is."""
        con = self.con
        try:
            with transaction(con):
                for name, query in given.items():
                    self._give(name, query or f"select * from {self.now(name)}")
                self._note(given, moment)
            models, code = self._bound(given, names)
            builds = [
                Build(
                    model,
                    "leaks",
                    code[name],
                    False,
                    is_read=name in models.read,
                    folder=self.project.sql.parent,
                    variables=self.project.variables,
                )
                for name, model in models.models.items()
            ]
            _, problems = build_models(con, builds, "leaks", self.project.settings.cutoff_rows)
            if problems:
                raise StepError("\n".join(problems))
            yield
        finally:
            empty(con)

    def _give(self, name: str, query: str) -> None:
        if name in LOG_NAMES:
            self.con.execute(f"create or replace table {qualified(name)} as {query}")
            return
        self.con.execute(f"create schema if not exists {identifier(name.split('.')[0])}")
        self.con.execute(f"create view {qualified(name)} as {query}")

    def _note(self, given: Collection[str], moment: datetime | None) -> None:
        """Note what the given tables hold, as loading and building them does."""
        before = f"where date < {literal(self._day(moment))}" if moment else ""
        self.con.execute(
            f"insert into etl._loaded select source, date, sha256, true from {PUBLISHED}.etl.partitions {before}"
        )
        self.con.execute("insert into etl._tables select distinct source, '', 'leaks' from etl._loaded")
        names = [name for name in given if name in self.models.models]
        values = "select unnest($1), 'table', 'leaks'"
        self.con.execute(f"insert into etl.models (name, materialized, fingerprint) {values}", [names])
        values = "select unnest($1), '', '{}', 'leaks'"
        self.con.execute(f"insert into etl._builds (name, definition, inputs, version) {values}", [names])
        for name in names:
            if self._model(name).kind.is_partitioned:
                day = identifier(self._partition(name))
                self.con.execute(
                    "insert into etl._partitions (name, date, inputs, version) "
                    f"select distinct $1, {day}, '', 'leaks' from {qualified(name)}",
                    [name],
                )

    def _bound(self, given: Collection[str], names: Collection[str]) -> tuple[Models, Mapping[str, str]]:
        """Return models as they are built on the given tables, and the fingerprints of their code."""
        key = (*sorted(names), "", *sorted(given))
        if key not in self._built:
            tables = [self._as_given(name) for name in given]
            models = models_over(self.con, self.models, tables, names)
            self._built[key] = models, definitions_of(models, self.project.settings.timezone)
        return self._built[key]

    def _as_given(self, name: str) -> Given:
        if name in self.raw:
            return self.raw[name]
        model = self._model(name)
        return Given(name, model.stored, model.header.partition if model.kind.is_partitioned else "")


def usable(column: str, type: str) -> str:
    """Return the SQL of the instant from which a value is known: a date is known when it is over."""
    return f"cast({identifier(column)}{' + 1' if type == 'DATE' else ''} as timestamptz)"


def instant(moment: datetime) -> str:
    """Return the SQL of a moment."""
    return f"cast({literal(moment.isoformat())} as timestamptz)"
