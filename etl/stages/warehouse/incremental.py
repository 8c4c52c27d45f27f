"""Incremental models: the SELECT within a filter on the stale partitions, which are replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier, qualified
from etl.engine.row_hashes import row_hashes
from etl.stages.warehouse import part_files
from etl.stages.warehouse.away import away_and_here
from etl.stages.warehouse.by_day import on_days
from etl.stages.warehouse.content import is_hashed, read_hashes
from etl.stages.warehouse.work import NOTHING, Build, Day, Part, State, Work

if TYPE_CHECKING:
    import duckdb


def make(con: duckdb.DuckDBPyConnection, build: Build, todo: Work, state: State) -> int | None:
    """Make the table: all of it, or the partitions of `todo`; return its rows if they are known."""
    model, table = build.model, qualified(build.model.name)
    if build.parts:
        return part_files.make(con, build, todo, state)
    if todo.full:
        part_files.forget_files(con, model.name)
    away, wheres = away_and_here(con, build, todo, state, is_full=todo.full)
    if todo.full and not away:
        return int(con.execute(f"create or replace table {table} as\n{model.sql}").fetchall()[0][0])
    if todo.full:
        con.execute(f"create or replace table {table} as\n{model.sql}\nwith no data")
    else:
        con.execute(f"delete from {table} where {' or '.join(on_days(model.header.partition, todo.looked_at))}")
    if build.elsewhere and away:
        build.elsewhere.insert(con, build, away)
    for where in wheres:
        con.execute(f"insert into {table} by name select * from (\n{model.sql}\n) where {where}")
    return None


def parts(
    con: duckdb.DuckDBPyConnection, build: Build, state: State, days: Sequence[Day] | None, limit: int
) -> Mapping[Day, Part]:
    """Return all partitions of the model as they are now, of which `days` (None: all) are new."""
    model, now = build.model, state.date_inputs(build.model)
    found = {} if days is None else dict(state.parts(model.name))
    changed = set(now) if days is None else set(days)
    measured = _measured(con, build, days, limit) if model.kind.is_partitioned else {}
    for day in changed | set(measured):
        version, rows = measured.get(day, ("", 0))
        if day in now or rows:
            found[day] = Part(now.get(day, NOTHING), version, rows)
        else:
            found.pop(day, None)
    return found


def _measured(
    con: duckdb.DuckDBPyConnection, build: Build, days: Sequence[Day] | None, limit: int
) -> dict[Day, tuple[str, int]]:
    """Return version and rows of partitions of the table as they are now."""
    model = build.model
    column = identifier(model.header.partition)
    # the view would open the files of all other partitions too
    table = part_files.rows_of(con, model, build.parts, days) if build.parts else qualified(model.name)
    where = "true" if days is None else " or ".join(on_days(model.header.partition, days))
    counts = dict(con.execute(f"select {column}, count(*) from {table} where {where} group by all").fetchall())
    if not is_hashed(build, sum(counts.values()), limit):
        return {day: (f"of {build.content}", rows) for day, rows in counts.items()}
    query = f"select {column}, {row_hashes(con, model.name, model.stored)} from {table} where {where} group by all"
    return {day: (version, counts[day]) for day, version in read_hashes(con, query, len(model.stored))}
