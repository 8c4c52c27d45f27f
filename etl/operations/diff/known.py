"""What two published files say of their content themselves: what is the same on both sides need not be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier, literal
from etl.models import meanings_of_views, tables_of_views
from etl.operations.diff.sides import A, B, Sides

if TYPE_CHECKING:
    from datetime import date

    import duckdb

_VIEWS = (
    "select schema_name || '.' || view_name, sql from duckdb_views() "
    "where database_name = '{catalog}' and not internal"
)
#: As a published file has them, and as one of an earlier version of etl.
_HASHES = (
    "select table_name, partition_column, date, content from {catalog}.etl.contents",
    "select name, partition, date, content from {catalog}.etl._hashes",
)
_MACROS = "select count(*) from duckdb_functions() where database_name in ('a', 'b') and not internal"


@dataclass
class _Table:
    """The hash of each partition of a table, and the column of the partitions; a table without has one, None."""

    column: str
    hashes: dict[date | None, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """The tables and views that are `same`, and of others the condition for the rows that may differ."""

    same: frozenset[str] = frozenset()
    where: Mapping[str, str] = field(default_factory=dict)
    #: The column of the partitions of those that are of one date on either side, another one, with both dates.
    moved: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def known(con: duckdb.DuckDBPyConnection, found: Mapping[str, Sides]) -> Known:
    """Return what the hashes tell that the attached files keep; both must be published ones."""
    left, right = _tables(con, A), _tables(con, B)
    both = [name for name in left.keys() & right.keys() if name in found and not found[name].schema]
    same = {name for name in both if left[name].hashes == right[name].hashes}
    where = {
        name: _differing(left[name], right[name])
        for name in both
        if name not in same and left[name].column and left[name].column == right[name].column
    }
    moved = {
        name: (left[name].column, f"{left[name].column}: {days[0]} → {days[1]}")
        for name in where
        if len(left[name].hashes) == len(right[name].hashes) == 1
        and len(days := [*left[name].hashes, *right[name].hashes]) == len(set(days))
    }
    return Known(frozenset(same | _same_views(con, found, same)), where, moved)


def _tables(con: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, _Table]:
    tables: dict[str, _Table] = {}
    for name, column, day, content in _hashes(con, catalog):
        tables.setdefault(name, _Table(column)).hashes[day] = content
    return tables


def _hashes(con: duckdb.DuckDBPyConnection, catalog: str) -> list[tuple[str, str, date | None, str]]:
    import duckdb

    for query in _HASHES:
        with suppress(duckdb.Error):
            return con.execute(query.format(catalog=catalog)).fetchall()
    # a later version of etl published it, or a very old one
    return []


def _differing(left: _Table, right: _Table) -> str:
    days = [day for day in {**left.hashes, **right.hashes} if left.hashes.get(day) != right.hashes.get(day)]
    name = identifier(left.column)
    dates = ", ".join(literal(day) for day in days if day)
    either = [f"{name} in ({dates})"] if dates else []
    return " or ".join([*either, f"{name} is null"] if None in days else either)


def _same_views(con: duckdb.DuckDBPyConnection, found: Mapping[str, Sides], tables: set[str]) -> set[str]:
    """Return the views that say the same of tables and views that are the same."""
    if con.execute(_MACROS).fetchall()[0][0]:
        # they may read more than a view says
        return set()
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    for catalog in (A, B):
        for name, sql in con.execute(_VIEWS.format(catalog=catalog)).fetchall():
            texts[name][catalog] = sql
    names = [name for name, sides in texts.items() if len(sides) == 2 and name in found]
    meanings = [meanings_of_views(con, [texts[name][side] for name in names]) for side in (A, B)]
    reads = dict(zip(names, tables_of_views(con, [texts[name][A] for name in names]), strict=True))
    hopeful = {
        name
        for name, one, other in zip(names, *meanings, strict=True)
        if one == other and reads[name] is not None and not found[name].schema
    }
    while lost := {name for name in hopeful if not (reads[name] or set()) <= tables | hopeful}:
        hopeful -= lost
    return hopeful
