"""The rows of one table on both sides: by key, or as a whole and counted where there is no key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier, literal
from etl.operations.diff.sides import A, B, Column, Sides, text_of
from etl.operations.spreadsheet import guarded_sql
from etl.project.files import written_aside

if TYPE_CHECKING:
    import duckdb

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
KINDS = (CHANGED, REMOVED, ADDED)
#: Up to so many values of differing rows are fetched at once.
_MOST_CELLS = 30_000


@dataclass(frozen=True)
class Counts:
    """How many rows differ, and in how many of the changed ones each column does."""

    added: int
    removed: int
    changed: int = 0
    columns: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """A row that differs: the values of its key, or of all columns without one; and each changed value twice."""

    change: str
    row: Mapping[str, str | None]
    values: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Keyed:
    """Rows that a key names: those with the same one are the same row, changed or not."""

    item: Sides
    key: Sequence[str]

    def counts(self, con: duckdb.DuckDBPyConnection) -> Counts:
        """Return how many rows differ, from one join."""
        both = f"{self._is_in('l')} and {self._is_in('r')}"
        selected = [
            f"count(*) filter (where not {self._is_in('l')})",
            f"count(*) filter (where not {self._is_in('r')})",
            f"count(*) filter (where {both} and ({self._differs}))",
            *(f"count(*) filter (where {both} and {column.differs})" for column in self._values),
        ]
        found = con.execute(f"select {', '.join(selected)} {self._join}").fetchall()[0]
        columns = {c.name: number for c, number in zip(self._values, found[3:], strict=True) if number}
        added, removed, changed = found[:3]
        return Counts(added, removed, changed, dict(sorted(columns.items(), key=lambda pair: -pair[1])))

    def counts_of(self, found: Sequence[tuple[Any, ...]]) -> Counts:
        """Return how many rows differ; `found` are all that do, as select() has them."""
        kinds = Counter(row[0] for row in found)
        changed = [row for row in found if row[0] == CHANGED]
        differs = enumerate(self._values, 1)
        columns = {c.name: sum(row[len(self.key) + 3 * number] for row in changed) for number, c in differs}
        named = sorted(((name, n) for name, n in columns.items() if n), key=lambda pair: -pair[1])
        return Counts(kinds[ADDED], kinds[REMOVED], kinds[CHANGED], dict(named))

    def examples(self, found: Iterable[tuple[Any, ...]]) -> Iterator[Example]:
        """Yield rows of select() as examples, as text; personal data is hidden."""
        names = [column.name for column in self._values]
        for kind, *cells in found:
            row = dict(zip(self.key, cells, strict=False))
            triples = (cells[n : n + 3] for n in range(len(self.key), len(cells), 3))
            changed = zip(names, triples, strict=True) if kind == CHANGED else ()
            yield Example(kind, row, {name: (old, new) for name, (old, new, differs) in changed if differs})

    def select(self, label: str) -> str:
        """Return the SELECT of all rows that differ: the change as `label`, the key, each value on both sides."""
        kind = f"case when not {self._is_in('l')} then {literal(ADDED)} when not {self._is_in('r')} "
        columns = [f"{kind} then {literal(REMOVED)} else {literal(CHANGED)} end as {label}"]
        for name in self.key:
            sides = [text_of(name, self.item.personal, side) for side in ("l", "r")]
            columns.append(f"if({self._is_in('l')}, {sides[0]}, {sides[1]}) as {identifier(name)}")
        for column in self._values:
            for side, when in (("l", "before"), ("r", "after")):
                text = text_of(column.name, self.item.personal, side)
                columns.append(f"if({self._is_in(side)}, {text}, null) as {identifier(f'{column.name} {when}')}")
            columns.append(f"{column.differs} as {identifier(f'{column.name} differs')}")
        where = f"not {self._is_in('l')} or not {self._is_in('r')} or {self._differs}"
        return f"select {', '.join(columns)} {self._join} where {where}"

    @property
    def _values(self) -> list[Column]:
        return [column for column in self.item.common if column.name not in self.key]

    @property
    def _differs(self) -> str:
        return " or ".join(column.differs for column in self._values) or "false"

    @property
    def _join(self) -> str:
        on = " and ".join(f"l.{identifier(name)} is not distinct from r.{identifier(name)}" for name in self.key)
        left, right = (f"(select *, true as {self._here} from {self.item.table(side)})" for side in (A, B))
        return f"from {left} as l full join {right} as r on {on}"

    @property
    def _here(self) -> str:
        return self.item.free_name("is here")

    def _is_in(self, side: str) -> str:
        return f"{side}.{self._here} is not null"


@dataclass(frozen=True)
class Whole:
    """Rows without a key: one that is there more often on one side is added, or removed, as often."""

    item: Sides

    def counts(self, con: duckdb.DuckDBPyConnection) -> Counts:
        """Return how many rows are added and removed."""
        times = self._times
        more, less = f"sum({times}) filter (where {times} > 0)", f"-sum({times}) filter (where {times} < 0)"
        query = f"select coalesce({more}, 0)::bigint, coalesce({less}, 0)::bigint from ({self._balance})"
        return Counts(*con.execute(query).fetchall()[0])

    def counts_of(self, found: Sequence[tuple[Any, ...]]) -> Counts:
        """Return how many rows are added and removed; `found` are all that differ, as select() has them."""
        times: Counter[str] = Counter()
        for kind, number, *_ in found:
            times[kind] += int(number)
        return Counts(times[ADDED], times[REMOVED])

    def examples(self, found: Iterable[tuple[Any, ...]]) -> Iterator[Example]:
        """Yield rows of select() as examples, as text."""
        names = [column.name for column in self.item.common]
        for kind, _, *cells in found:
            yield Example(kind, dict(zip(names, cells, strict=True)))

    def select(self, label: str) -> str:
        """Return the SELECT of all rows that differ: the change as `label`, how many times, and all columns."""
        times, common = self._times, self.item.common
        texts = [f"{text_of(c.name, self.item.personal)} as {identifier(c.name)}" for c in common]
        kind = f"if({times} > 0, {literal(ADDED)}, {literal(REMOVED)}) as {label}"
        rows = f"from ({self._balance}) where {times} <> 0"
        return f"select {', '.join([kind, f'abs({times}) as times', *texts])} {rows}"

    @property
    def _times(self) -> str:
        return self.item.free_name("how many times")

    @property
    def _balance(self) -> str:
        """The SELECT of all rows, with how many more times each is there on the right."""
        common = self.item.common
        names = [identifier(column.name) for column in common]
        keys = [self.item.free_name(f"form {n}") for n in range(len(common))]
        both = " union all ".join(
            f"select {', '.join(_shown(common, names, keys, place))}, {one} as {self._times} "
            f"from {self.item.table(side)}"
            for place, (side, one) in enumerate(((A, -1), (B, 1)))
        )
        texts = ", ".join(f"any_value({name}) as {name}" for name in names)
        return f"select {texts}, sum({self._times}) as {self._times} from ({both}) group by {', '.join(keys)}"


def _shown(columns: Sequence[Column], names: Sequence[str], keys: Sequence[str], side: int) -> list[str]:
    # as text only where the sides have no type in common: it is made of few of the rows
    shown = [
        name if column.types[0] == column.types[1] else f"{name}::varchar as {name}"
        for column, name in zip(columns, names, strict=True)
    ]
    return shown + [f"{column.form(side)} as {key}" for column, key in zip(columns, keys, strict=True)]


def write(con: duckdb.DuckDBPyConnection, rows: Keyed | Whole, target: Path) -> int:
    """Write the differing rows to a new .csv or .parquet file, in one rename; return how many.

    In a .csv, texts that a spreadsheet would run have an apostrophe before them.
    """
    how = "format csv, header" if target.suffix == ".csv" else "format parquet"
    select = rows.select("change")
    if target.suffix == ".csv":
        cells = [guarded_sql(row[0]) for row in con.execute(f"describe {select}").fetchall()]
        select = f"select {', '.join(cells)} from ({select})"
    with written_aside(target) as aside:
        copy = f"copy (select * from ({select})) to {literal(str(aside))} ({how})"
        return int(con.execute(copy).fetchall()[0][0])


def differing(
    con: duckdb.DuckDBPyConnection, rows: Keyed | Whole, limit: int, most_cells: int = _MOST_CELLS
) -> tuple[Counts, list[Example]]:
    """Return how many rows differ, and up to `limit` examples of each kind of change.

    Of up to `most_cells` all are fetched and counted here: most tables differ in few rows, and one plain statement
    takes a third of the time of those that count and sort.
    """
    most = most_cells // (3 * len(rows.item.common) + 2)
    label = rows.item.free_name("kind of change")
    found = con.execute(f"{rows.select(label)} limit {most + 1}").fetchall()
    if len(found) > most:
        return rows.counts(con), list(rows.examples(_few(con, rows, limit)))
    return told(rows, found, limit)


def told(rows: Keyed | Whole, found: Sequence[tuple[Any, ...]], limit: int) -> tuple[Counts, list[Example]]:
    """Return what differing() does; `found` are all rows that differ, as select() has them."""
    ordered = sorted(found, key=_place)
    few = [row for kind in KINDS for row in [row for row in ordered if row[0] == kind][:limit]]
    return rows.counts_of(ordered), list(rows.examples(few))


def _place(row: tuple[Any, ...]) -> list[tuple[bool, Any]]:
    """Return where `order by all` puts a row."""
    return [(cell is None, cell.encode() if isinstance(cell, str) else cell or 0) for cell in row]


def _few(con: duckdb.DuckDBPyConnection, rows: Keyed | Whole, limit: int) -> Iterator[tuple[Any, ...]]:
    """Yield up to `limit` rows of each kind; by position, since a table may have columns of any name."""
    label = rows.item.free_name("kind of change")
    few = [f"(from found where {label} = {literal(kind)} order by all limit {limit})" for kind in KINDS]
    # all kinds at once: the two sides are read once for it
    query = f"with found as materialized ({rows.select(label)}) {' union all '.join(few)}"
    yield from sorted(con.execute(query).fetchall(), key=lambda row: KINDS.index(row[0]))
