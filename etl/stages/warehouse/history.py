"""Histories (scd2): since when and until when each version of a key's row held.

A history is a function of the rows of the SELECT: of the changes in them, or of the difference between each
snapshot and the next. A key's versions depend on that key's rows alone, so only the keys that a stale partition
touches are made anew; which these are can be told from the history itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from etl.contract.clocks import is_doubtful
from etl.engine.quoting import identifier, literal, qualified
from etl.models import ABSENT, HISTORY, Model
from etl.models.kinds import since_of, versioned
from etl.stages.warehouse.by_day import on_days
from etl.stages.warehouse.keyed import delete_keys, names, newest, with_key_in
from etl.stages.warehouse.work import Build, State, Work

if TYPE_CHECKING:
    import duckdb

#: Until when a version holds that is the current one.
END = "9999-12-31"

_TOUCHED = "temp.main._touched"


def make(con: duckdb.DuckDBPyConnection, build: Build, todo: Work, state: State) -> None:
    """Make the table: from all rows, or the versions of the keys that `todo` touches."""
    model, table = build.model, qualified(build.model.name)
    snapshots = state.snapshots(model.snapshots)
    if todo.full or _is_remade(con, model, todo):
        con.execute(f"create or replace table {table} as\n{versions(model, model.sql, snapshots)}")
        return
    key = model.header.key
    is_absent = model.header.deletes == ABSENT
    touched = _touched_by_snapshots(model, todo, snapshots) if is_absent else _touched_by_changes(model, todo)
    con.execute(f"create or replace temp table {_TOUCHED} as select distinct {names(key)} from ({touched})")
    con.execute(delete_keys(table, _TOUCHED, key))
    made = versions(model, with_key_in(model.sql, _TOUCHED, key), snapshots)
    con.execute(f"insert into {table} by name {made}")
    con.execute(f"drop table {_TOUCHED}")


def versions(model: Model, sql: str, snapshots: Sequence[date]) -> str:
    """Return the SELECT of the history of the rows of `sql`, which are all rows of some keys of the model's.

    Dates in `snapshots` are those of a snapshot even if the model has no row of them.
    """
    header = model.header
    since = identifier(since_of(model))
    values = names(versioned(model)) or "true"
    gone = f"coalesce({identifier(header.deletes)}, false)" if header.deletes not in ("", ABSENT) else "_etl_gone"
    rows = newest(
        _events(model, sql, snapshots),
        (*header.key, since_of(model)),
        _ranks(model),
        model.ranked,
    )
    by_key = f"partition by {names(header.key)} order by {since}"
    kept = names([name for name, _ in model.stored if name not in HISTORY])
    end = f"cast({literal(END)} as {dict(model.stored)['valid_to']})"
    return f"""
with changes as (
    select * replace ({_present(since, model)} as {since}), row({values}) as _etl_values, {gone} as _etl_is_gone
    from ({rows})
),
starts as (
    select * from changes
    window by_key as ({by_key})
    qualify case
        when row_number() over by_key = 1 then not _etl_is_gone
        when _etl_is_gone then not lag(_etl_is_gone) over by_key
        else lag(_etl_is_gone) over by_key or _etl_values is distinct from lag(_etl_values) over by_key
    end
),
spans as (select *, lead({since}) over ({by_key}) as _etl_until from starts)
select
    {kept}, {since} as valid_from, coalesce(_etl_until, {end}) as valid_to, _etl_until is null as is_current,
    row_number() over ({by_key}) as version_number
from spans
where not _etl_is_gone"""


def _events(model: Model, sql: str, snapshots: Sequence[date]) -> str:
    """Return the SELECT of the changes: the rows, and that a key is not in the snapshot after its last one."""
    header = model.header
    if header.deletes != ABSENT:
        return f"select *{', false as _etl_gone' if not header.deletes else ''} from (\n{sql}\n)"
    key, day = names(header.key), identifier(header.partition)
    return f"""
with given as (select * from (\n{sql}\n)),
days as (
    select {day}, lead({day}) over (order by {day}) as _etl_next
    from (select {day} from (\n{model.sql}\n) where {day} is not null union from {_days(day, snapshots)})
),
seen as (
    select {key}, {day}, lead({day}) over (partition by {key} order by {day}) as _etl_again
    from (select distinct {key}, {day} from given)
)
select *, false as _etl_gone from given
union all by name
select {names(header.key, "seen")}, _etl_next as {day}, true as _etl_gone
from seen join days using ({day})
where _etl_next is not null and _etl_again is distinct from _etl_next"""


def _days(name: str, days: Sequence[date]) -> str:
    """Return dates as something to select from, in a column of that name."""
    return f"(select unnest({literal(list(days))}::date[]) as {name})"


def _present(since: str, model: Model) -> str:
    column = since_of(model)
    what = f"{model.name}: a row has no {column}, so it has no place in time"
    present = f"coalesce({since}, error({literal(what)}))"
    if dict(model.columns)[column] != "TIMESTAMP":
        return present
    where = literal(f"{model.name}: the {column} ")
    why = literal(
        " is a local time without a zone that the clocks skip or show twice when they change, so it has no "
        f"place in time. Make {column} a time with a zone: in the contract, or, if it is in UTC, by "
        f"{column} at time zone 'UTC' as {column} in the SELECT. The time zone of the project is "
    )
    said = f"{where} || {since}::varchar || {why} || current_setting('TimeZone')"
    return f"case when {is_doubtful(since)} then error({said}) else {present} end"


def _ranks(model: Model) -> tuple[str, ...]:
    """Return what decides among several rows of a key for the same time."""
    return (*model.header.order, model.header.partition)


def _is_remade(con: duckdb.DuckDBPyConnection, model: Model, todo: Work) -> bool:
    """Return whether the history does not show which keys a changed partition touched before it changed.

    It shows them by the dates on which versions begin and end, if that date is the partition's.
    """
    if not model.header.valid_from:
        return False
    known = "select count(*) from etl._partitions where name = $1 and list_contains($2, date)"
    return bool(con.execute(known, [model.name, [day for day in todo.days if day]]).fetchall()[0][0])


def _touched_by_changes(model: Model, todo: Work) -> str:
    """Return the keys in the stale partitions, and those of which a version began or ended on their dates."""
    key, wheres = names(model.header.key), on_days(model.header.partition, todo.days)
    now = [f"select {key} from (\n{model.sql}\n) where {where}" for where in wheres]
    return " union all ".join([*now, *_bounded(model, todo)])


def _touched_by_snapshots(model: Model, todo: Work, snapshots: Sequence[date]) -> str:
    """Return the keys whose row in a stale snapshot is not the one that the history has for its date.

    A snapshot that is gone touches the keys of which a version began or ended on its date.
    """
    header, table = model.header, qualified(model.name)
    key, day = names(header.key), identifier(header.partition)
    values = names(versioned(model)) or "true"
    wheres = on_days(header.partition, [day for day in todo.days if day])
    rows = newest(
        f"select * from (\n{model.sql}\n) where {' or '.join(wheres) or 'false'}",
        (*header.key, header.partition),
        header.order,
        model.ranked,
    )
    there = [day for day in todo.days if day and day in snapshots]
    days = f"select {day} from ({rows}) union from {_days(day, there)}"
    now = f"select {key}, {day}, row({values}) as _etl_values from ({rows})"
    before = (
        f"select {key}, days.{day}, row({values}) as _etl_values from {table} as held "
        f"join ({days}) as days on days.{day} >= held.valid_from and days.{day} < held.valid_to"
    )
    differing = [f"select {key} from (({a}) except ({b}))" for a, b in ((now, before), (before, now))]
    return " union all ".join([*differing, *_bounded(model, todo)])


def _bounded(model: Model, todo: Work) -> list[str]:
    """Return the SELECTs of the keys of which a version began or ended on a stale date."""
    key, table = names(model.header.key), qualified(model.name)
    dates = ", ".join(literal(day) for day in todo.days if day)
    if model.header.valid_from or not dates:
        return []
    return [f"select {key} from {table} where {edge} in ({dates})" for edge in ("valid_from", "valid_to")]
