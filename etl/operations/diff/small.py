"""Small tables: many are read by one statement and compared here, for less than it costs DuckDB to plan a join."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier
from etl.operations.diff.rows import ADDED, CHANGED, REMOVED
from etl.operations.diff.sides import A, B, Column, Sides

if TYPE_CHECKING:
    import duckdb

#: A table of more values on one side is compared by DuckDB; and so many are read by one statement.
_MOST_CELLS, _MOST_TOGETHER = 5_000, 100_000
#: Types of which two values are the same if, and only if, their texts are; of numbers with a point, their bits.
_TEXTUAL = (
    *("boolean", "tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger"),
    *("ubigint", "uhugeint", "varchar", "date", "timestamp", "uuid"),
)
_BY_BITS = ("float", "double")


@dataclass(frozen=True)
class Small:
    """A table to compare here, and the key that may name its rows."""

    item: Sides
    key: Sequence[str]

    @property
    def select(self) -> str:
        """The SELECT list of the texts of a row: all columns, and then the forms of those that have others."""
        texts = [f"{identifier(c.name)}::varchar" for c in self.item.common]
        forms = [f"({c.form(0)})::varchar" for c in self.item.common if _kind(c) in _BY_BITS]
        return f"[{', '.join([*texts, *forms])}]"


def is_small(item: Sides, key: Sequence[str], rows: tuple[int | None, int | None]) -> bool:
    """Return whether a table can be compared here, `rows` on either side."""
    common = item.common
    return (
        item.kinds == ("table", "table")
        and None not in rows
        and max(map(int, filter(None, rows)), default=0) * len(common) <= _MOST_CELLS
        and len(common) > 0
        and not item.digits
        and all(c.types[0] == c.types[1] and _kind(c) in (*_TEXTUAL, *_BY_BITS, "decimal") for c in common)
        and not any(_kind(c) in _BY_BITS for c in common if c.name in key)
    )


def _kind(column: Column) -> str:
    return column.types[0].partition("(")[0].lower()


def different_rows(
    con: duckdb.DuckDBPyConnection, tables: Sequence[Small]
) -> Iterator[tuple[Small, list[tuple[Any, ...]]]]:
    """Yield tables with the rows that differ, as Keyed or Whole select them; none whose key names several rows."""
    for together in _batches(tables):
        sides: dict[tuple[int, int], list[list[str | None]]] = defaultdict(list)
        selects = [
            f"select {number}, {place}, {small.select} from {small.item.table(side)}"
            for number, small in enumerate(together)
            for place, side in enumerate((A, B))
        ]
        for number, place, cells in con.execute(" union all ".join(selects)).fetchall():
            sides[number, place].append(cells)
        for number, small in enumerate(together):
            compared = _by_key if small.key else _as_wholes
            found = compared(small, sides[number, 0], sides[number, 1])
            if found is not None:
                yield small, found


def _batches(tables: Sequence[Small]) -> Iterator[list[Small]]:
    at_once = max(1, _MOST_TOGETHER // _MOST_CELLS)
    batch: list[Small] = []
    for small in tables:
        batch.append(small)
        if len(batch) == at_once:
            yield batch
            batch = []
    if batch:
        yield batch


_Rows = list[list[str | None]]


def _by_key(small: Small, left: _Rows, right: _Rows) -> list[tuple[Any, ...]] | None:
    """Return the rows that differ: the change, the key, and of each value both sides and whether they differ."""
    names = [column.name for column in small.item.common]
    key = [names.index(name) for name in small.key]
    one, other = ({tuple(row[n] for n in key): row for row in rows} for rows in (left, right))
    if len(one) < len(left) or len(other) < len(right):
        return None
    values, forms = [n for n in range(len(names)) if n not in key], _forms(small)
    shown = _shown(small)
    found = []
    for named in one.keys() | other.keys():
        before, after = one.get(named), other.get(named)
        if before == after:
            continue
        kind = ADDED if before is None else REMOVED if after is None else CHANGED
        row = before or after or []
        cells: list[Any] = [shown(row, n) for n in key]
        for n in values:
            both = [side[forms[n]] if side else None for side in (before, after)]
            cells += [shown(side, n) if side else None for side in (before, after)] + [both[0] != both[1]]
        found.append((kind, *cells))
    return found


def _as_wholes(small: Small, left: _Rows, right: _Rows) -> list[tuple[Any, ...]]:
    """Return the rows that are there more often on one side: the change, how many times, and all columns."""
    forms, shown = _forms(small), _shown(small)
    balance: Counter[tuple[str | None, ...]] = Counter()
    texts: dict[tuple[str | None, ...], list[str | None]] = {}
    for rows, one in ((left, -1), (right, 1)):
        for row in rows:
            form = tuple(row[n] for n in forms)
            balance[form] += one
            texts[form] = row
    return [
        (ADDED if times > 0 else REMOVED, abs(times), *(shown(texts[form], n) for n in range(len(forms))))
        for form, times in balance.items()
        if times
    ]


def _forms(small: Small) -> list[int]:
    """Return where the form of each column is among the cells of a row."""
    places, more = [], len(small.item.common)
    for number, column in enumerate(small.item.common):
        is_other = _kind(column) in _BY_BITS
        places.append(more if is_other else number)
        more += is_other
    return places


def _shown(small: Small) -> Any:
    hidden = [column.name.lower() in small.item.personal for column in small.item.common]
    return lambda row, n: "***" if hidden[n] else row[n]
