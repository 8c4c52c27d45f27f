"""Edge values of every type, and entries of the list over them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import duckdb

from etl.errors import EtlError
from etl.models.spark_sql.functions import Entry
from tests.support.spark_sql import Case, both, cases, database, hand_over, values_of

#: So many expressions are asked for in one SELECT.
TOGETHER = 40


@dataclass
class Edges:
    """Tables of edge values, each combination of them once, and the expressions over them."""

    con: duckdb.DuckDBPyConnection = field(default_factory=database)
    made: dict[tuple[str, ...], str] = field(default_factory=dict)

    def table(self, types: tuple[str, ...]) -> str:
        """Return a table with each combination of values of some types as a row."""
        if types not in self.made:
            name = f"edge.t{len(self.made)}"
            columns = [f"(select unnest([{', '.join(values_of(type))}]) as _{n})" for n, type in enumerate(types)]
            self.con.execute(
                f"create table {name} as select row_number() over () as id, * from {', '.join(columns)}"
            )
            hand_over(self.con, name)
            self.made[types] = name
        return self.made[types]

    def differing(self, entries: Iterable[Entry]) -> Iterator[str]:
        """Yield what differs of functions of one row."""
        by_types: dict[tuple[str, ...], list[Case]] = defaultdict(list)
        for case in (case for entry in entries for case in cases(entry)):
            by_types[case.types].append(case)
        yield from self.differing_cases(by_types)

    def differing_cases(self, by_types: Mapping[tuple[str, ...], Sequence[Case]]) -> Iterator[str]:
        """Yield what differs of expressions over tables of edge values, by the types of these."""
        for types, given in by_types.items():
            table = self.table(types)
            # not all types of a kind go together in DuckDB: a date and a BIGINT do not
            given = [case for case in given if self._answers(f"describe select {case.sql} from {table}")]
            whole = [case for case in given if self._answers(f"select {case.sql} from {table}")]
            for start in range(0, len(whole), TOGETHER):
                yield from self.halved(whole[start : start + TOGETHER], f"select id, {{}} from {table}")
            for case in given:
                if case not in whole:
                    yield from self.halved([case], f"select id, {{}} from {self._sound(case, table)}")

    def halved(self, given: Sequence[Case], query: str) -> Iterator[str]:
        """Yield what differs of expressions that are asked for together, and of each alone if something does."""
        if not given:
            return
        items = ", ".join(f"{case.sql} as v{number}" for number, case in enumerate(given))
        rounded = [case.entry.is_rounded for case in given]
        try:
            found = both(self.con, query.format(items), rounded)
        except EtlError as error:
            found = f"refused: {error}"
        if found and len(given) == 1:
            yield f"{given[0].sql} of {given[0].types}: {found}"
        elif found:
            half = len(given) // 2
            yield from self.halved(given[:half], query)
            yield from self.halved(given[half:], query)

    def _answers(self, sql: str) -> bool:
        try:
            self.con.execute(sql).fetchall()
        except duckdb.Error:
            return False
        return True

    def _sound(self, case: Case, table: str) -> str:
        """Return a table of the rows for which DuckDB has an answer, and no error such as an overflow."""
        ids = [id for (id,) in self.con.execute(f"select id from {table}").fetchall()]
        sound = [id for id in ids if self._answers(f"select {case.sql} from {table} where id = {id}")]
        name = f"{table}_{abs(hash(case)) % 10**9}"
        self.con.execute(f"create or replace table {name} as from {table} where list_contains(?, id)", [sound])
        hand_over(self.con, name)
        return name


#: Numbers of which the sums are few and small: what is compared is not how they are rounded on the way.
SMALL = {
    "DOUBLE": "null 0.5 -1.5 2.25 7 100 0.125 -3 nan inf",
    "HUGEINT": "null 0 1 -1 -7 9223372036854775808 -9007199254740993",
}


def grouped(edges: Edges, type: str) -> str:
    """Return a table of groups `g` of values of a type: each alone, with the next, and all.

    `n` is the place of a row in its group.
    """
    name = f"edge.g{abs(hash(type)) % 10**9}"
    values = [f"cast({v if v == 'null' else repr(v)} as {type})" for v in SMALL.get(type, "").split()]
    given = values if type in SMALL else values_of(type)
    groups = [[value] for value in given] + [[a, b, a] for a, b in pairwise(given)]
    # the sum of the largest ones is no BIGINT, and need not be
    rows = [f"({g}, {n}, {value})" for g, group in enumerate([*groups, given]) for n, value in enumerate(group)]
    edges.con.execute(f"create or replace table {name} as select * from (values {', '.join(rows)}) t(g, n, _0)")
    hand_over(edges.con, name)
    return name
