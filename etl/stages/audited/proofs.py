"""Proofs: what checks found in each partition of a table, good while neither partition nor check changes.

What a check says of a table is the sum of what it says of the partitions, if its offending rows come apart by
them: then only those are looked at of which there is no proof. Proofs are in build.duckdb, beside the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from etl.engine.quoting import literal, qualified
from etl.ledger import digest
from etl.stages.warehouse import Day, count_rows, on_days, raw_views

if TYPE_CHECKING:
    import duckdb

_TABLE = "etl._proofs (asked varchar, date date, proof uhugeint, failing bigint[])"
#: Of tables with fewer rows all is looked at: that costs less than to keep proofs.
_WORTH_ROWS = 100_000
#: Raise it when the same check would judge the same partition in another way.
_FORM = 1
#: The proof that is kept is the one that is needed.
_SAME = "kept.asked = $1 and kept.proof = now.proof"

#: Each way to take tables apart, as the column of every table; see Audit.apart.
Ways = Sequence[Sequence[tuple[str, str]]]


@dataclass(kw_only=True)
class Proofs:
    """The proofs that build.duckdb holds; `columns` is the partition column of each table that has partitions.

    Without `is_trusted` none of them is believed, and all are dropped.
    """

    con: duckdb.DuckDBPyConnection
    columns: Mapping[str, str]
    is_trusted: bool = True
    _parts: dict[str, Parts] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _rows: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.con.execute(f"create table if not exists {_TABLE}")
        if not self.is_trusted:
            self.con.execute("delete from etl._proofs")

    def rows_of(self, table: str, meant: Sequence[str]) -> Parts | None:
        """Return what is proven of conditions on each row of a table; None if it is to be looked at whole."""
        return self.parts([table], meant, [[(table, self.columns.get(table, ""))]])

    def parts(self, tables: Sequence[str], meant: Sequence[str], ways: Ways) -> Parts | None:
        """Return what is proven of checks; None if their tables are to be looked at whole.

        `meant` is what they ask, each by itself, and `ways` how their tables come apart.
        """
        columns = {table: self.columns.get(table, "") for table in tables}
        if not all(columns.values()) or not any(_is_same(way, columns) for way in ways):
            return None
        counts = [self._counted(table) for table in tables]
        # to compare sums of two tables costs a tenth, by row, of what keys or the rules of a contract cost
        if max(counts) < _WORTH_ROWS * (1 if len(tables) == 1 else 10) or min(counts) < 0:
            return None
        asked = digest(_FORM, self._setting, sorted(tables), list(meant))
        column = next(column for way in ways if _is_same(way, columns) for _, column in way)
        parts = Parts(con=self.con, columns=columns, column=column, asked=asked, meant=list(meant))
        return self._parts.setdefault(asked, parts)

    def count(self, table: str) -> int:
        """Return how many rows a table has; it is counted once."""
        if table not in self._counts:
            self._counts[table] = count_rows(self.con, table, lambda: self._views)
        return self._counts[table]

    def keep(self) -> None:
        """Write what was found; the proofs of checks that nobody asks for any more are dropped."""
        for parts in self._parts.values():
            parts.keep()
        self.con.execute("delete from etl._proofs where not list_contains($1, asked)", [list(self._parts)])

    def _counted(self, table: str) -> int:
        """Return how many rows a table has; less than none if they are not those of its partitions."""
        if table not in self._rows:
            rows = self.count(table)
            ((held,),) = self.con.execute(f"select sum(rows) from ({_held(table)})").fetchall()
            self._rows[table] = rows if rows == held else -1
        return self._rows[table]

    @cached_property
    def _views(self) -> Mapping[str, str]:
        return dict(raw_views(self.con))

    @cached_property
    def _setting(self) -> str:
        """What else decides how a row is judged."""
        query = "select version() || ' ' || current_setting('TimeZone')"
        return str(self.con.execute(query).fetchall()[0][0])


@dataclass(kw_only=True)
class Parts:
    """What is proven of the partitions of some tables, for checks that ask `meant`.

    `columns` are the partition columns of the tables; `column` has the partition in what the checks find.
    """

    con: duckdb.DuckDBPyConnection
    columns: Mapping[str, str]
    column: str
    asked: str
    meant: Sequence[str]
    _found: dict[Day, list[int]] | None = None

    @property
    def stale(self) -> Sequence[Day]:
        """The partitions to look at: those whose rows, or what is asked of them, are not as they were proven."""
        return self._state[0]

    @cached_property
    def stale_where(self) -> str:
        """The condition that a row is in a stale partition; of most of them, none."""
        stale, every, _ = self._state
        return "true" if len(stale) * 2 > every else self._where(stale)

    def stale_only(self, sql: str) -> str:
        """Return the SELECT of a built-in kind with its tables cut down to the stale partitions.

        DuckDB does not push a condition on what is found through a full join.
        """
        if self.stale_where != "true":
            for table, column in self.columns.items():
                rows = f"(from {qualified(table)} where {' or '.join(on_days(column, self.stale))})"
                for word in ("from", "join"):
                    sql = sql.replace(f"{word} {qualified(table)}", f"{word} {rows}")
        return sql

    def where_judged(self, meant: str) -> str:
        """Return the condition that a row is to be judged: in a stale partition, or where offending rows are."""
        failing, stale = self._where(list(self._failing(meant))), self.stale_where if self.stale else "false"
        return failing if stale == "false" else stale if failing == "false" else f"{stale} or {failing}"

    def find(self, failing: Mapping[Day, Mapping[str, int]]) -> None:
        """Note the offending rows in the stale partitions, by what is asked; there are no others in them."""
        self._found = {day: [counts.get(meant, 0) for meant in self.meant] for day, counts in failing.items()}

    def total(self, meant: str) -> tuple[int, str]:
        """Return how many rows, of all partitions, offend what is asked, and the condition that says where."""
        failing = self._failing(meant)
        return sum(failing.values()), self._where(list(failing))

    def keep(self) -> None:
        """Make the proofs those of the partitions that there are now, if all that are stale were looked at."""
        if self._found is None:
            return
        unneeded = f"proof not in (select proof from ({self._now}))"
        self.con.execute(f"delete from etl._proofs where asked = $1 and {unneeded}", [self.asked])
        failing = {day: counts for day, counts in self._found.items() if any(counts)}
        if self.stale:
            self.con.execute(
                f"insert into etl._proofs select $1, now.date, now.proof, failing from ({self._now}) as now "
                f"anti join etl._proofs as kept on {_SAME} "
                "left join (select unnest($2::date[]) as date, unnest($3::bigint[][]) as failing) as found "
                "on found.date is not distinct from now.date",
                [self.asked, list(failing), list(failing.values())],
            )

    def _failing(self, meant: str) -> dict[Day, int]:
        number = self.meant.index(meant)
        every = {**self._known, **(self._found or {})}
        return {day: counts[number] for day, counts in every.items() if counts[number]}

    def _where(self, days: Sequence[Day]) -> str:
        return f"({' or '.join(on_days(self.column, days))})" if days else "false"

    @property
    def _known(self) -> Mapping[Day, list[int]]:
        return self._state[2]

    @cached_property
    def _state(self) -> tuple[Sequence[Day], int, Mapping[Day, list[int]]]:
        """The stale partitions, how many there are of all, and what is proven of those with offending rows."""
        query = (
            "select list(now.date) filter (kept.proof is null), count(*), "
            "list({day: now.date, failing: kept.failing}) filter (kept.failing is not null) "
            f"from ({self._now}) as now left join etl._proofs as kept on {_SAME}"
        )
        ((stale, every, known),) = self.con.execute(query, [self.asked]).fetchall()
        return stale or [], every, {item["day"]: item["failing"] for item in known or ()}

    @cached_property
    def _now(self) -> str:
        """The SELECT of the partitions that there are now, and of the proof that each of them needs."""
        held = " union all ".join(_held(table) for table in self.columns)
        version = "string_agg(held.name || ' ' || held.version, ' ' order by held.name)"
        proof = f"md5_number(concat_ws(' ', held.date, {version}))"
        return f"select held.date, {proof} as proof from ({held}) as held group by held.date"


def _held(table: str) -> str:
    """Return the SELECT of the partitions of a table; `version` changes when one is loaded or built again."""
    name = literal(table)
    if table.startswith("raw."):
        source = literal(table.removeprefix("raw."))
        return (
            f"select {name} as name, date, fingerprint || ' ' || run_id as version, rows "
            f"from etl._loaded join etl.partitions using (source, date) where source = {source}"
        )
    return f"select name, date, version, rows from etl._partitions where name = {name} and rows > 0"


def _is_same(way: Sequence[tuple[str, str]], columns: Mapping[str, str]) -> bool:
    return {table: column.lower() for table, column in way} == {t: c.lower() for t, c in columns.items()}
