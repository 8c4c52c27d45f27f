"""Of a warehouse that a bundle cannot keep as it is, few rows: those that make a step fail, if they are found.

What is personal data in them is masked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from etl import engine
from etl.engine.quoting import identifier, literal, qualified
from etl.models import Model, with_values
from etl.models.kinds import KINDS, PYTHON
from etl.plan import Plan
from etl.project import Project
from etl.run.failures.masks import Masks
from etl.stages.warehouse import define_macros, define_own
from etl.stages.warehouse.program import make as make_by_python

if TYPE_CHECKING:
    import duckdb

#: So many rows of each table are kept.
_ROWS = 100_000
#: The views that hold rows: raw ones over the lake, and those of models whose partitions are files.
_VIEWS = (
    "select schema_name, view_name from duckdb_views() where database_name = 'whole' and (schema_name = 'raw' or "
    "schema_name || '.' || view_name in (select name from whole.etl.models where list_contains("
    f"{literal([name for name, kind in KINDS.items() if kind.is_stored])}, materialized)))"
)
_TABLES = f"select schema_name, table_name from duckdb_tables() where database_name = 'whole' union all {_VIEWS}"
_COLUMNS = (
    "select column_name, data_type from duckdb_columns() "
    "where database_name = 'whole' and schema_name = ? and table_name = ? order by column_index"
)
#: What of the tables that etl keeps for itself can quote rows, and what stands there in place of it.
_QUOTING = {"etl.checks": {"examples": "[]::varchar[]"}, "etl.rejects": {"text": "'***'", "raw": "null::blob"}}
_EMPTIED = ("etl.profiles",)
_MASK = "_etl_masked"
#: Of a file of Parquet, so many bytes at both ends tell nothing of its rows.
_HEAD, _TAIL = 4, 8

#: Whether something fails in a connection where the tables are there by their names.
Failing = Callable[["duckdb.DuckDBPyConnection"], bool]
Rows = tuple[int, int]


@dataclass(kw_only=True)
class Sampling:
    """The warehouse of a run, as `target` is to have it; `personal` are the columns by table that are masked.

    Nothing is tried after `end`, by the monotonic clock; with `is_whole` no row is left out.
    """

    plan: Plan
    target: Path
    masks: Masks
    personal: Mapping[str, Sequence[str]]
    end: float
    is_whole: bool = False
    #: How many rows of a table that is larger are left out.
    left_out: dict[str, int] = field(default_factory=dict)

    def of_model(self, name: str) -> None:
        """Write what a model reads, and the rows of it with which it still fails."""
        model = self.plan.models.models[name]
        stored, views = _under(self.plan, model)

        def fails(con: duckdb.DuckDBPyConnection) -> bool:
            return _fails_by_python(con, self.plan, model) if model.kind is PYTHON else _fails(con, model)

        can_tell = model.kind.is_select or model.kind is PYTHON
        self._write(stored, [model.name], views, [fails] if can_tell else [])

    def of_checks(self, queries: Sequence[str]) -> None:
        """Write all tables, and of large ones the rows that each of the queries still finds."""
        views = [name for name, model in self.plan.models.models.items() if not model.kind.is_stored]
        self._write(None, [], views, [partial(_finds, query) for query in queries])

    def _write(
        self, stored: Sequence[str] | None, own: Sequence[str], views: Sequence[str], failing: Sequence[Failing]
    ) -> None:
        plan, target = self.plan, self.target
        target.parent.mkdir(parents=True, exist_ok=True)
        with engine.in_memory(plan.project) as con:
            con.execute(f"attach {literal(str(plan.project.build))} as whole (read_only)")
            there = {f"{schema}.{table}" for schema, table in con.execute(_TABLES).fetchall()}
            every = sorted(table for table in there if not table.startswith("etl."))
            tables = [table for table in (every if stored is None else (*stored, *own)) if table in there]
            found = self._breaking(con, [t for t in tables if t not in own], views, failing)
            engine.attach_new(plan.project, con, target, "small", is_small=True)
            con.create_function(_MASK, partial(_masked, self.masks), ["varchar", "varchar"], "varchar")
            con.execute("use small")
            for table in sorted(table for table in there if table.startswith("etl.")):
                self._make(con, table, _QUOTING.get(table, {}) if self.personal else {})
            for table in there.intersection(_EMPTIED) if self.personal else ():
                con.execute(f"delete from {qualified(table)}")
            # they are made again by whoever needs them
            con.execute("delete from etl._macros; delete from etl._files")
            define_own(con)
            for table in tables:
                self._make(con, table, self._hidden(con, table), found.get(table, ()))
            self._settle(con)
            _make_views(con, plan, views, is_needed=bool(own))
            con.execute("use memory")
            con.execute("detach small")

    def _hidden(self, con: duckdb.DuckDBPyConnection, table: str) -> Mapping[str, str]:
        """Return what stands in place of the personal columns of a table."""
        names = self.personal.get(table.lower(), ())
        columns = con.execute(_COLUMNS, table.split(".", 1)).fetchall() if names else []
        return {name: _hiding(name, type) for name, type in columns if name.lower() in names}

    def _make(
        self, con: duckdb.DuckDBPyConnection, table: str, hidden: Mapping[str, str], parts: Sequence[Rows] = ()
    ) -> None:
        size = _size(con, table)
        is_cut = not (self.is_whole or table.startswith("etl.")) and size > _ROWS
        rows = _part(con, table, parts or [(0, _ROWS)]) if is_cut else f"from whole.{qualified(table)}"
        said = ", ".join(f"{sql} as {identifier(name)}" for name, sql in hidden.items())
        con.execute(f"create schema if not exists {identifier(table.split('.')[0])}")
        con.execute(
            f"create table {qualified(table)} as select *{f' replace ({said})' if said else ''} from ({rows})"
        )
        if is_cut:
            kept = con.execute(f"select count(*) from {qualified(table)}").fetchall()[0][0]
            self.left_out[table] = size - kept

    def _settle(self, con: duckdb.DuckDBPyConnection) -> None:
        """Have etl.partitions count the rows that are there: of those left out nothing is lost."""
        for source in self.plan.catalog.sources.values():
            if number := self.left_out.get(source.table):
                con.execute(
                    "update etl.partitions set rows = rows - $1, records = records - $1, lines = lines - $1 "
                    "where rowid = (select min(rowid) from etl.partitions where source = $2)",
                    [number, source.name],
                )

    def _breaking(
        self,
        con: duckdb.DuckDBPyConnection,
        tables: Sequence[str],
        views: Sequence[str],
        failing: Sequence[Failing],
    ) -> Mapping[str, list[Rows]]:
        """Return, by table, the rows with which all that is failing still fails; none where it cannot be told."""
        sizes = {table: _size(con, table) for table in tables}
        large = sorted((table for table in tables if sizes[table] > _ROWS), key=lambda table: sizes[table])
        if self.is_whole or not large:
            return {}
        for table in tables:
            _look_at(con, table, 0, sizes[table])
        define_own(con)
        _make_views(con, self.plan, views, is_needed=False)
        define_macros(
            con, [(m.name, m.sql) for m in self.plan.models.macros.values()], self.plan.project.variables
        )
        found: dict[str, list[Rows]] = {}
        for fails in failing:
            if not fails(con):
                continue
            for table in reversed(large):
                found.setdefault(table, []).append(self._narrowed(con, fails, table, sizes[table]))
            for table in large:
                _look_at(con, table, 0, sizes[table])
        return found

    def _narrowed(self, con: duckdb.DuckDBPyConnection, fails: Failing, table: str, size: int) -> Rows:
        """Return rows next to each other with which it still fails; the first ones if neither half does alone."""
        first, end = 0, size
        while end - first > _ROWS and time.monotonic() < self.end:
            middle = (first + end) // 2
            for half in ((first, middle), (middle, end)):
                _look_at(con, table, *half)
                if fails(con):
                    first, end = half
                    break
            else:
                # it takes rows of both
                _look_at(con, table, first, end)
                return 0, _ROWS
        return first, min(end, first + _ROWS)


def mask_rows(project: Project, file: Path, target: Path, personal: Sequence[str], masks: Masks) -> None:
    """Write a Parquet file with other values in its personal columns, and its metadata.

    One that is damaged is damaged still, with nothing between its ends.
    """
    import duckdb

    target.parent.mkdir(parents=True, exist_ok=True)
    with engine.in_memory(project) as con:
        con.create_function(_MASK, partial(_masked, masks), ["varchar", "varchar"], "varchar")
        try:
            rows = f"from read_parquet({literal(str(file))}, hive_partitioning = false)"
            types = con.execute(f"describe {rows}").fetchall()
            hidden = {name: _hiding(name, type) for name, type, *_ in types if name.lower() in personal}
            pairs = con.execute(f"select key, value from parquet_kv_metadata({literal(str(file))})").fetchall()
            kept = {k.decode(): v.decode() for k, v in pairs if k != b"ARROW:schema"}
            said = ", ".join(f"{sql} as {identifier(name)}" for name, sql in hidden.items())
            metadata = ", ".join(f"{literal(key)}: {literal(value)}" for key, value in kept.items())
            con.execute(
                f"copy (select *{f' replace ({said})' if said else ''} {rows}) to {literal(str(target))} "
                f"(format parquet{f', kv_metadata {{{metadata}}}' if metadata else ''})"
            )
        except duckdb.Error:
            content = file.read_bytes()
            middle = max(0, len(content) - _HEAD - _TAIL)
            target.write_bytes(content[:_HEAD] + bytes(middle) + content[_HEAD + middle :])


def _masked(masks: Masks, text: str, type: str) -> str:
    return masks.value(text, type)


def _part(con: duckdb.DuckDBPyConnection, table: str, parts: Sequence[Rows]) -> str:
    """Return the SELECT of some rows of a table."""
    source = f"whole.{qualified(table)}"
    if tuple(table.split(".", 1)) not in con.execute(_VIEWS).fetchall():
        return f"from {source} where {_within('rowid', parts)}"
    # a view has no number of a row
    numbered = f"select *, row_number() over () - 1 as _etl_row from {source}"
    return f"select * exclude (_etl_row) from ({numbered}) where {_within('_etl_row', parts)}"


def _within(number: str, parts: Sequence[Rows]) -> str:
    return " or ".join(f"({number} >= {first} and {number} < {end})" for first, end in sorted(set(parts)))


def _hiding(name: str, type: str) -> str:
    """Return the SQL of what stands in place of a personal column."""
    column, kind = identifier(name), type.partition("(")[0]
    if kind.startswith(("DATE", "TIMESTAMP")):
        return f"date_trunc('year', {column})::{type}"
    if kind in ("BOOLEAN", "BLOB", "BIT", "TIME", "INTERVAL") or "[" in type or kind in ("STRUCT", "MAP", "UNION"):
        return f"null::{type}"
    return f"try_cast({_MASK}({column}::varchar, {literal(type)}) as {type})"


def _size(con: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(con.execute(f"select count(*) from whole.{qualified(table)}").fetchall()[0][0])


def _under(plan: Plan, model: Model) -> tuple[list[str], list[str]]:
    """Return the stored tables that a model reads, through views too; and these, in order."""
    models = plan.models.models
    views = [name for name in models if name in plan.models.views_under[model.name]]
    reads = [*model.reads, *(read for view in views for read in models[view].reads)]
    return [table for table in dict.fromkeys(reads) if table not in views and not table.startswith("etl.")], views


def _look_at(con: duckdb.DuckDBPyConnection, table: str, first: int, end: int) -> None:
    con.execute(f"create schema if not exists {identifier(table.split('.')[0])}")
    con.execute(f"create or replace view {qualified(table)} as {_part(con, table, [(first, end)])}")


def _fails(con: duckdb.DuckDBPyConnection, model: Model) -> bool:
    import duckdb

    try:
        con.execute(f"create or replace temp table _etl_tried as\n{model.sql}")
    except duckdb.Error:
        return True
    return False


def _fails_by_python(con: duckdb.DuckDBPyConnection, plan: Plan, model: Model) -> bool:
    con.execute(f"create schema if not exists {identifier(model.name.split('.')[0])}")
    try:
        make_by_python(con, plan.build(model.name), None, None)  # type: ignore[arg-type]
    except Exception:
        return True
    return False


def _finds(query: str, con: duckdb.DuckDBPyConnection) -> bool:
    import duckdb

    try:
        return bool(con.execute(f"from ({query}\n) limit 1").fetchall())
    except duckdb.Error:
        return True


def _make_views(con: duckdb.DuckDBPyConnection, plan: Plan, views: Sequence[str], *, is_needed: bool) -> None:
    import duckdb

    for name in views:
        sql = with_values(plan.models.models[name].sql, plan.project.variables)
        con.execute(f"create schema if not exists {identifier(name.split('.')[0])}")
        define_macros(con, plan.models.models[name].macros, plan.project.variables)
        # a view that nobody needs may read what is not there
        with suppress(*(() if is_needed else (duckdb.Error,))):
            con.execute(f"create view {qualified(name)} as\n{sql}")
