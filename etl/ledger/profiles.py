"""Profiles: what the columns of a table held, by partition, or by night for a table that has no partitions.

A profile is of one column of one part of a table; that with an empty column name is of the part's rows. Quantiles
and top values are those of a sample, everything else is of all rows. Of personal data there are counts only.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from etl.ledger.bars import bars_of
from etl.ledger.ledger import Ledger

#: The shares of the sampled values that are at most the quantile at the same place: 0%, 5%, ... 100%.
LEVELS = tuple(step / 20 for step in range(21))
#: The partition of the rows whose partition column is null.
WITHOUT_DATE = "null"
#: The facts that quote no value: all that there is of personal data.
COUNTS = ("rows", "nulls", "approx_distinct")


class Part(NamedTuple):
    """A partition of a table on the night it was profiled; `partition` is empty for all of a table without any."""

    table_name: str
    partition: str
    batch_date: str

    @property
    def day(self) -> str:
        """What orders the parts of a table: the partition, or the night; empty for the rows without a date."""
        return self.batch_date if not self.partition else "" if self.partition == WITHOUT_DATE else self.partition


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What one column of one part of a table held; what the type of the column has none of is None or empty.

    `min` and `max` are texts as DuckDB prints them, `quantiles` numbers or texts at LEVELS, `top` the most
    frequent values with their shares, `lengths` the least, mean and greatest number of characters, bytes or items.
    NaN and infinities are counted in `not_finite`, and are in no other fact.
    """

    table_name: str
    column_name: str
    partition: str
    batch_date: str
    run_id: str
    rows: int
    nulls: int | None = None
    approx_distinct: int | None = None
    not_finite: int | None = None
    min: str | None = None
    max: str | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: Sequence[Any] = ()
    top: Sequence[tuple[str, float]] = ()
    lengths: Sequence[float] = ()
    #: How many rows the quantiles and the top values are of.
    sampled: int | None = None
    #: What checks ask of the part's rows, such as the correlation of two columns.
    measures: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def day(self) -> str:
        """What orders the profiles of a column: the partition, or the night."""
        return Part(self.table_name, self.partition, self.batch_date).day


@dataclass(frozen=True)
class Noted:
    """What the ledger notes of a part: the run that profiled it, and what the profile is good for."""

    run_id: str
    basis: str


class Row(NamedTuple):
    """A profile as the ledger holds it; `facts` is JSON."""

    table_name: str
    partition: str
    column_name: str
    run_id: str
    batch_date: str
    facts: str

    @property
    def part(self) -> Part:
        """The part of the table that it is of."""
        return Part(self.table_name, self.partition, self.batch_date)


@dataclass(frozen=True)
class Profiles:
    """The profiles in a ledger."""

    ledger: Ledger = field(repr=False)

    def newest(self, table: str = "") -> list[Profile]:
        """Return the profiles of the newest part of a table, or of every table: its rows, then its columns."""
        newest = {part.table_name: part for part in self._in_order(table)}
        return self._of(newest.values())

    def drawn(self) -> list[tuple[str, str, list[Any]]]:
        """Return table, column and what a small picture of it shows, of the newest part of every table.

        That is rows, nulls, different values, the least, the greatest, frequent values with shares, and bars.
        """
        newest = {part.table_name: part for part in self._in_order("")}
        rows = self.ledger.ask(_DRAWN, (_json(newest.values()),))
        return [(row[0], row[1], facts) for row, facts in zip(rows, _facts(rows), strict=True)]

    def trend(self, table: str, column: str = "", last: int = 0) -> list[Profile]:
        """Return the profiles of a column, or of a table's rows, oldest first; with `last`, so many at most."""
        parts = self._in_order(table)[-last:]
        rows = self.ledger.ask(f"{_SELECT} where table_name = ? and column_name = ?", (table, column))
        found = {Row(*row).part: _profile(Row(*row)) for row in rows}
        return [found[part] for part in parts if part in found]

    def trends(self, fact: str, last: int = 30) -> dict[tuple[str, str], list[tuple[str, float | None]]]:
        """Return one number of the newest `last` parts of every column, as (day, number), oldest first.

        `fact` is the name of a field of Profile that is a number; a column whose type has none of it is left out.
        """
        found: dict[tuple[str, str], list[tuple[str, float | None]]] = defaultdict(list)
        for parts in _by_table(self._in_order("")).values():
            query = f"select table_name, column_name, json_extract(facts, ?), partition, batch_date {_AMONG}"
            for table, column, number, *part in self.ledger.ask(query, (f"$.{fact}", _json(parts[-last:]))):
                found[table, column].append((Part(table, *part).day, number))
        numbers = {key: sorted(values) for key, values in found.items()}
        return {key: values for key, values in numbers.items() if any(number is not None for _, number in values)}

    def noted(self) -> dict[Part, Noted]:
        """Return the parts of all tables that have profiles."""
        query = "select table_name, partition, batch_date, run_id, facts ->> '$.basis' from profiles"
        return {Part(*row[:3]): Noted(*row[3:]) for row in self.ledger.ask(f"{query} where column_name = ''")}

    def rows(self, parts: Collection[Part]) -> list[Row]:
        """Return the profiles of parts as they are held."""
        return [Row(*row) for row in self.ledger.ask(f"select {_COLUMNS} {_AMONG}", (_json(parts),))]

    def replace(self, gone: Iterable[Part], rows: Iterable[Row]) -> None:
        """Delete the profiles of some parts, and write others, in one transaction."""
        delete = "delete from profiles where table_name = ? and partition = ? and batch_date = ?"
        self.ledger.change(
            (delete, list(gone)), ("insert or replace into profiles values (?, ?, ?, ?, ?, ?)", list(rows))
        )

    def hide(self, columns: Iterable[tuple[str, str]]) -> None:
        """Leave nothing but counts of columns, given with their tables, which hold personal data."""
        self.ledger.change((_HIDE, list(columns)))

    def forget(self, tables: Collection[str] | None = None) -> None:
        """Delete the profiles of tables, by default of all."""
        names = None if tables is None else json.dumps([*tables])
        where = "" if names is None else "where table_name in (select value from json_each(?))"
        self.ledger.change((f"delete from profiles {where}", [() if names is None else (names,)]))

    def _in_order(self, table: str) -> list[Part]:
        """Return the parts of a table, or of all, oldest first."""
        where, values = ("and table_name = ?", (table,)) if table else ("", ())
        query = f"select table_name, partition, batch_date from profiles where column_name = '' {where}"
        return sorted((Part(*row) for row in self.ledger.ask(query, values)), key=lambda part: part.day)

    def _of(self, parts: Iterable[Part]) -> list[Profile]:
        return [_profile(row) for row in self.rows(list(parts))]


_COLUMNS = "table_name, partition, column_name, run_id, batch_date, facts"
_SELECT = f"select {_COLUMNS} from profiles"
#: With the parts as JSON, so that there may be any number of them; the keys are in order, so this reads no others.
_AMONG = (
    "from json_each(?) as part join profiles on table_name = part.value ->> 0 and partition = part.value ->> 1 "
    "and batch_date = part.value ->> 2"
)
#: The facts that a picture shows, as a JSON array: to read all, most of them quantiles, takes four times as long.
_DRAWN = (
    "select table_name, column_name, json_extract(facts, '$.rows', '$.nulls', '$.approx_distinct', '$.min', "
    "'$.max', '$.top', '$.bars'), iif(json_type(facts, '$.bars') is null, facts, null) "
    f"{_AMONG} where column_name <> ''"
)
_HIDE = (
    "update profiles set facts = json_object('rows', facts -> '$.rows', 'nulls', facts -> '$.nulls', "
    "'approx_distinct', facts -> '$.approx_distinct') where table_name = ? and column_name = ?"
)


_FACTS = {column.name for column in fields(Profile)}


def _json(parts: Iterable[Part]) -> str:
    return json.dumps(list(parts))


def _by_table(parts: Iterable[Part]) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        found[part.table_name].append(part)
    return found


def _facts(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Return the facts of each row of _DRAWN; an earlier etl has kept none of the bars."""
    found: list[list[Any]] = json.loads(f"[{','.join(row[2] for row in rows)}]")
    for facts, row in zip(found, rows, strict=True):
        if row[3] is not None:
            facts[-1] = bars_of(json.loads(row[3]))
    return found


def _profile(row: Row) -> Profile:
    facts = {name: value for name, value in json.loads(row.facts).items() if name in _FACTS}
    return Profile(
        table_name=row.table_name,
        column_name=row.column_name,
        partition=row.partition,
        batch_date=row.batch_date,
        run_id=row.run_id,
        **{**facts, "top": list(facts.get("top", {}).items())},
    )
