"""Merged models: of all rows with one key the newest, unless it says that the key is deleted.

The table is a function of the rows of the SELECT, so the order in which they come does not matter. What a stale
partition brings is put beside what there is; only if the newest row of a key was of that partition, and may now be
another, is the key looked for in all partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier, qualified
from etl.models import ABSENT, Model
from etl.stages.warehouse.build import deleted_rows
from etl.stages.warehouse.by_day import on_days
from etl.stages.warehouse.keyed import delete_keys, names, newest, with_key_in
from etl.stages.warehouse.work import Build, State, Work

if TYPE_CHECKING:
    import duckdb

_NEW, _TOUCHED, _LOST, _NEWEST = (f"temp.main.{name}" for name in ("_new", "_touched", "_lost", "_newest"))


def make(con: duckdb.DuckDBPyConnection, build: Build, todo: Work, state: State) -> None:
    """Make the table: from all rows, or from what `todo` says is new."""
    model = build.model
    if model.header.deletes == ABSENT:
        _newest_partition(con, model, state.snapshots(model.snapshots))
    elif todo.full:
        _all(con, model)
    else:
        _merge(con, model, todo)


def _newest_partition(con: duckdb.DuckDBPyConnection, model: Model, snapshots: Sequence[date]) -> None:
    """A key that the newest snapshot lacks is deleted, so that snapshot is all there is, be it empty."""
    column = identifier(model.header.partition)
    (last,) = con.execute(f"select max({column}) from (\n{model.sql}\n)").fetchall()[0]
    newest_day = max(filter(None, [last, *snapshots[-1:]]), default=None)
    where = on_days(model.header.partition, [newest_day])[0]
    rows = _newest(model, f"select * from (\n{model.sql}\n) where {where}")
    con.execute(f"create or replace table {qualified(model.name)} as {rows}")


def _all(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    table, deleted = qualified(model.name), deleted_rows(model.name)
    con.execute(f"create or replace temp table {_NEWEST} as {_newest(model, model.sql)}")
    con.execute(f"create or replace table {table} as {_split(model, deleted=False)}")
    con.execute(f"drop table if exists {deleted}")
    if model.header.deletes:
        con.execute(f"create table {deleted} as {_split(model, deleted=True)}")
    con.execute(f"drop table {_NEWEST}")


def _merge(con: duckdb.DuckDBPyConnection, model: Model, todo: Work) -> None:
    key, column = model.header.key, model.header.partition
    wheres = on_days(column, todo.days)
    stale = f"coalesce({' or '.join(wheres)}, false)"
    held = _held(model)
    new = " union all ".join(f"select * from (\n{model.sql}\n) where {where}" for where in wheres)
    con.execute(f"create or replace temp table {_NEW} as {new}")
    con.execute(
        f"create or replace temp table {_LOST} as select distinct {names(key)} from ({held}) where {stale}"
    )
    con.execute(
        f"create or replace temp table {_TOUCHED} as "
        f"select distinct {names(key)} from {_NEW} union select {names(key)} from {_LOST}"
    )
    candidates = [f"from {_NEW}", with_key_in(f"select * from ({held}) where not {stale}", _TOUCHED, key)]
    if con.execute(f"from {_LOST} limit 1").fetchall():
        before = with_key_in(f"select * from (\n{model.sql}\n)", _LOST, key)
        candidates.append(f"select * from ({before}) where not {stale}")
    every = " union all by name ".join(f"({candidate})" for candidate in candidates)
    con.execute(f"create or replace temp table {_NEWEST} as {_newest(model, every)}")
    for table, is_deleted in _tables(model):
        con.execute(delete_keys(table, _TOUCHED, key))
        con.execute(f"insert into {table} by name {_split(model, deleted=is_deleted)}")
    for name in (_NEW, _LOST, _TOUCHED, _NEWEST):
        con.execute(f"drop table {name}")


def _newest(model: Model, sql: str) -> str:
    header = model.header
    order = (*header.order, *filter(None, [header.partition]))
    return newest(sql, header.key, order, model.ranked)


def _split(model: Model, *, deleted: bool) -> str:
    """Return the newest rows that are deleted, or those that are not, without the column that says so."""
    if not model.header.deletes:
        return f"from {_NEWEST}"
    flag = identifier(model.header.deletes)
    return f"select * exclude ({flag}) from {_NEWEST} where {'' if deleted else 'not '}coalesce({flag}, false)"


def _tables(model: Model) -> list[tuple[str, bool]]:
    """Return the tables that hold the newest rows, and whether these are the deleted ones."""
    kept = [(qualified(model.name), False)]
    return [*kept, (deleted_rows(model.name), True)] if model.header.deletes else kept


def _held(model: Model) -> str:
    """Return the SELECT of the newest rows as they are now, deleted ones too."""
    flag = f", {{}} as {identifier(model.header.deletes)}" if model.header.deletes else ""
    parts = [f"select *{flag.format(str(deleted).lower())} from {table}" for table, deleted in _tables(model)]
    return " union all ".join(parts)
