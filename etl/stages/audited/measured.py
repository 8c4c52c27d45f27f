"""Taking profiles: the facts of each column of some parts of a table, all parts by the same statements.

Counts, extremes, means and lengths are of all rows, by one scan. Quantiles and top values are of a sample. It is
all rows of a part of up to 256; of more, those whose number in the file has a hash that is divisible by a power of
two: the least one that leaves at most a quarter of the rows, or 256 if that is more, and never more than 2,500. So
the same file has the same profiles.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier, qualified
from etl.ledger.bars import bars_of
from etl.models import Columns
from etl.stages.audited.aggregates import Aggregates, aggregates
from etl.stages.warehouse import Day, is_view, on_days

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("etl")

#: A statement asks of so many columns: what it takes to plan one grows faster than they do.
_TOGETHER = 100
#: The least and the greatest size of a sample of many rows, and the share of them that it is in between.
_LEAST, _MOST, _SHARE = 256, 2_500, 4
#: So many top values are kept; of numbers only if there are not more different ones.
_TOP = 20
_STEPS = 20

#: The facts of a part's columns, by name; an empty name has those of its rows.
Facts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be profiled: the parts of a table, with how many rows each has, by the partition column if any.

    `measures` are aggregates over the rows, by name. Of the columns in `personal` only counts are taken.
    """

    table: str
    columns: Columns
    partition: str
    parts: Mapping[Day, int]
    personal: frozenset[str] = frozenset()
    measures: Mapping[str, str] = field(default_factory=dict)

    def hides(self, column: str) -> bool:
        """Return whether a column has personal data."""
        return column.lower() in self.personal

    def of(self, parts: Mapping[Day, int]) -> Asked:
        """Return the same, asked of these parts."""
        return replace(self, parts=parts)


def measured(con: duckdb.DuckDBPyConnection, asked: Asked) -> Mapping[Day, Facts]:
    """Return the facts of each part that is asked for."""
    found: dict[Day, dict[str, dict[str, Any]]] = {day: {"": {"rows": 0}} for day in asked.parts}
    for start in range(0, max(1, len(asked.columns)), _TOGETHER):
        some = replace(asked, columns=asked.columns[start : start + _TOGETHER])
        if start:
            some = replace(some, measures={})
        for day, facts in _measured(con, some).items():
            for name, known in facts.items():
                found[day].setdefault(name, {}).update(known)
    return found


def _measured(con: duckdb.DuckDBPyConnection, asked: Asked) -> dict[Day, dict[str, dict[str, Any]]]:
    """Return the facts of parts that have rows, of some columns; counts alone if DuckDB cannot do more."""
    import duckdb

    try:
        return _with(sampled(con, asked), _counted(con, asked, _wanted(asked)))
    except duckdb.Error as error:
        log.warning("warning: of %s only counts are profiled: %s", asked.table, type(error).__name__)
        every = frozenset(name.lower() for name, _ in asked.columns)
        asked = replace(asked, measures={}, personal=every)
        return _counted(con, asked, _wanted(asked))


def _wanted(asked: Asked) -> dict[str, Aggregates]:
    """Return what is asked of each column."""
    return {name: aggregates(name, type, is_personal=asked.hides(name)) for name, type in asked.columns}


def _with(
    known: Mapping[tuple[Day, str], dict[str, Any]], found: dict[Day, dict[str, dict[str, Any]]]
) -> dict[Day, dict[str, dict[str, Any]]]:
    for (day, name), facts in known.items():
        if day in found:
            found[day][name] |= facts
    return found


def is_sampled_whole(rows: int) -> bool:
    """Return whether the sample of a part of so many rows is all of them."""
    return rows <= _LEAST


def sampling(rows: int) -> int:
    """Return what the hash of a row's number is divisible by, if it is in the sample of so many rows."""
    size = max(_LEAST, min(rows // _SHARE, _MOST))
    return 1 << max(0, -(-rows // size) - 1).bit_length()


def _counted(
    con: duckdb.DuckDBPyConnection, asked: Asked, wanted: Mapping[str, Aggregates]
) -> dict[Day, dict[str, dict[str, Any]]]:
    """Return for each part its rows and measures, and what is said of all values of each column."""
    selected = [sql for found in wanted.values() for sql in found.facts.values()]
    where = in_parts(asked, list(asked.parts))
    items = ", ".join([of_day(asked), "count(*)", *asked.measures.values(), *selected])
    group = " group by 1" if asked.partition else ""
    query = f"select {items} from {qualified(asked.table)} where {where}{group}"
    found = {}
    for day, rows, *every in con.execute(query).fetchall():
        values = iter(every)
        own: dict[str, Any] = {"rows": rows}
        if asked.measures:
            own["measures"] = {name: _rounded(next(values)) for name in asked.measures}
        facts = {
            name: facts_of(rows, {fact: next(values) for fact in what.facts}) for name, what in wanted.items()
        }
        found[day] = {"": own, **facts}
    return found


def of_day(asked: Asked) -> str:
    """Return the SQL of what tells the part that a row is in."""
    return identifier(asked.partition) if asked.partition else "null::date"


def facts_of(rows: int, found: dict[str, Any]) -> dict[str, Any]:
    """Return facts as they are kept, of the aggregates over a column, which it takes from `found`."""
    values = found.pop("values")
    facts = {"rows": rows, "nulls": rows - values, "approx_distinct": min(found.pop("approx_distinct"), values)}
    lengths = [found.pop(name, None) for name in ("shortest", "length", "longest")]
    if values and lengths[1] is not None:
        facts["lengths"] = list(map(_rounded, lengths))
    finite = values - found.get("not_finite", 0)
    if found.pop("averaged", finite) != finite:
        found["mean"] = found["std"] = None
    if not found.get("not_finite"):
        found.pop("not_finite", None)
    return facts | {name: _rounded(value) for name, value in found.items() if value is not None}


def _rounded(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    # beyond 9 significant digits, sums of floats depend on the order of the rows
    return float(f"{value:.9g}") if isfinite(value) else None


def sampled(con: duckdb.DuckDBPyConnection, asked: Asked) -> dict[tuple[Day, str], dict[str, Any]]:
    """Return what is said of the sampled values of each column, by part and column."""
    columns = {name: found for name, found in _wanted(asked).items() if found.sampled}
    by_step: dict[int, list[Day]] = defaultdict(list)
    for day, rows in asked.parts.items():
        by_step[sampling(rows)].append(day)
    found: dict[tuple[Day, str], dict[str, Any]] = {}
    for step, days in by_step.items() if columns else ():
        by_day: dict[Day, list[tuple[Any, ...]]] = defaultdict(list)
        for row in con.execute(_sample(con, asked, columns, step, days)).fetchall():
            by_day[row[0]].append(row)
        for day, sample in by_day.items():
            values = list(zip(*sample, strict=True))[1:]
            for (name, what), own in zip(columns.items(), values, strict=True):
                found[day, name] = of_sample(what, own)
    return found


def _sample(
    con: duckdb.DuckDBPyConnection,
    asked: Asked,
    columns: Mapping[str, Aggregates],
    step: int,
    days: Sequence[Day],
) -> str:
    source, row, where = qualified(asked.table), "rowid", in_parts(asked, days)
    if any(name.lower() == row for name, _ in asked.columns) or is_view(con, asked.table):
        # a view has no number of a row, and a column of that name hides it; only what is asked for is numbered
        source = f"(select *, row_number() over () as _etl_row from {source} where {where})"
        row, where = "_etl_row", "true"
    items = ", ".join([of_day(asked), *(found.sampled for found in columns.values())])
    is_in = f" and hash({row}) % {step} = 0" if step > 1 else ""
    return f"select {items} from {source} where {where}{is_in}"


def in_parts(asked: Asked, days: Sequence[Day]) -> str:
    """Return the SQL condition that a row is in some of the parts."""
    return f"({' or '.join(on_days(asked.partition, days))})" if asked.partition else "true"


def of_sample(what: Aggregates, sample: Sequence[Any]) -> dict[str, Any]:
    """Return what is said of the sampled values of a column."""
    values = [value for value in sample if value is not None]
    if not (size := len(values)):
        return {}
    found: dict[str, Any] = {"sampled": size}
    if what.is_ordered:
        values.sort()
        found["quantiles"] = [
            _rounded(values[max(0, -(-step * size // _STEPS) - 1)]) for step in range(_STEPS + 1)
        ]
    if what.is_counted and (not what.is_ordered or len(set(values)) <= _TOP):
        counts = sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))[:_TOP]
        found["top"] = {str(value): _rounded(count / size) for value, count in counts}
    return found


def as_json(facts: Mapping[str, Any]) -> str:
    """Return facts as the ledger keeps them, with the bars of a column that has any values to show."""
    facts = {**facts, "bars": bars_of(facts)} if "sampled" in facts else facts
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
