"""Taking profiles of many tables: what is small is looked at together, by type, not each column by itself.

What a small table costs is the planning of aggregates. So a statement reads up to a hundred columns of one type,
from whatever tables, one below the other, and asks for the aggregates once. The sample of a table that is not that
small is taken by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from etl.engine.quoting import identifier, qualified
from etl.stages.audited.aggregates import aggregates
from etl.stages.audited.measured import (
    Asked,
    Facts,
    facts_of,
    in_parts,
    is_sampled_whole,
    measured,
    of_day,
    of_sample,
    sampled,
)
from etl.stages.warehouse import Day

if TYPE_CHECKING:
    import duckdb

#: So many columns or tables are read by one statement.
_TOGETHER = 100
#: Of so few values, to plan aggregates for each column takes longer than to have the columns of a type stacked.
_FEW = 50_000
_VALUE = "x"
_T = TypeVar("_T")


class _Column(NamedTuple):
    """A column of the table at a place in what was asked."""

    place: int
    asked: Asked
    name: str


class _Kind(NamedTuple):
    """What tells which aggregates are asked of a column."""

    type: str
    is_personal: bool


_Found = Mapping[tuple[int, Day, str], dict[str, Any]]


def measured_together(con: duckdb.DuckDBPyConnection, tables: Sequence[Asked]) -> list[Mapping[Day, Facts]]:
    """Return what measured() does of each of these tables, in their order."""
    import duckdb

    few = {place: asked for place, asked in enumerate(tables) if has_few(asked)}
    found: Mapping[int, Mapping[Day, Facts]] = {}
    try:
        found = _of_few(con, few)
    except duckdb.Error:
        # one of them has what DuckDB cannot do, which measured() finds out and tells
        found = {}
    return [found[place] if place in found else measured(con, asked) for place, asked in enumerate(tables)]


def has_few(asked: Asked) -> bool:
    """Return whether a table is looked at with others: it has few values, and no check asks more of them."""
    rows = asked.parts.values()
    return not asked.measures and all(number > 0 for number in rows) and 0 < sum(rows) * len(asked.columns) <= _FEW


def is_whole(asked: Asked) -> bool:
    """Return whether the samples of all parts of a table are all rows of them."""
    return all(map(is_sampled_whole, asked.parts.values()))


def _of_few(con: duckdb.DuckDBPyConnection, few: Mapping[int, Asked]) -> dict[int, Mapping[Day, Facts]]:
    columns: dict[_Kind, list[_Column]] = defaultdict(list)
    for place, asked in few.items():
        for name, type in asked.columns:
            columns[_Kind(type, asked.hides(name))].append(_Column(place, asked, name))
    known: dict[tuple[int, Day, str], dict[str, Any]] = {}
    for kind, every in columns.items():
        for some in _chunks(every):
            known |= _of_columns(con, kind, some)
    for place, asked in few.items():
        for (day, name), facts in ({} if is_whole(asked) else sampled(con, asked)).items():
            known[place, day, name] |= facts
    found: dict[int, dict[Day, dict[str, dict[str, Any]]]] = {
        place: {day: {"": {"rows": 0}} for day in asked.parts} for place, asked in few.items()
    }
    for place, day, rows in _counts(con, few):
        names = [name for name, _ in few[place].columns]
        found[place][day] = {"": {"rows": rows}, **{name: known[place, day, name] for name in names}}
    return dict(found)


def _counts(con: duckdb.DuckDBPyConnection, few: Mapping[int, Asked]) -> Iterator[tuple[int, Day, int]]:
    """Yield how many rows each part of each table has."""
    for some in _chunks(list(few.items())):
        selects = [f"select {place} as place, {of_day(asked)} as day {_from(asked)}" for place, asked in some]
        query = f"select place, day, count(*) from ({' union all '.join(selects)}) group by place, day"
        yield from con.execute(query).fetchall()


def _of_columns(con: duckdb.DuckDBPyConnection, kind: _Kind, columns: Sequence[_Column]) -> _Found:
    """Return the facts of columns of one kind, by table, part and name."""
    what = aggregates(_VALUE, kind.type, is_personal=kind.is_personal)
    sample = f"list({what.sampled}) filter (where is_whole)" if what.sampled else "null"
    query = (
        f"select number, day, count(*), {', '.join(what.facts.values())}, {sample} "
        f"from ({' union all '.join(_stacked(columns))}) group by number, day"
    )
    found = {}
    for number, day, rows, *values, taken in con.execute(query).fetchall():
        facts = facts_of(rows, dict(zip(what.facts, values, strict=True)))
        column = columns[number]
        is_sampled = what.sampled and is_whole(column.asked)
        found[column.place, day, column.name] = facts | (of_sample(what, taken) if is_sampled else {})
    return found


def _stacked(columns: Sequence[_Column]) -> Iterator[str]:
    """Yield for each table a SELECT of its columns, one below the other: their place, day and value."""
    first = 0
    for _, some in groupby(columns, key=lambda column: column.place):
        mine = list(some)
        asked, names = mine[0].asked, ", ".join(identifier(column.name) for column in mine)
        last = first + len(mine)
        yield (
            f"select unnest(range({first}, {last})) as number, {of_day(asked)} as day, "
            f"{is_whole(asked)} as is_whole, unnest([{names}]) as {_VALUE} {_from(asked)}"
        )
        first = last


def _from(asked: Asked) -> str:
    return f"from {qualified(asked.table)} where {in_parts(asked, list(asked.parts))}"


def _chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[start : start + _TOGETHER] for start in range(0, len(items), _TOGETHER))
