"""Which tables a partition of a model needs in part only: by what DuckDB does with a filter on the partition.

A filter around a SELECT is always right; where it lands tells what the rows of one date depend on. If every scan
of a dated table keeps only that date, other dates of that table cannot matter. The plans are made on empty tables,
so no statistics of tonight's data have a say.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier, literal

if TYPE_CHECKING:
    import duckdb

# a range in the SELECT itself may exclude one of them, and then the plan is empty
_PROBES = ("2013-01-02", "1582-10-20", "9000-01-03")

# what takes scans away by looking at the data, or folds two of them into one
_DISABLED = "statistics_propagation,join_elimination,common_subplan"


def by_date(con: duckdb.DuckDBPyConnection, sql: str, partition: str, dated: Mapping[str, str]) -> set[str]:
    """Return the stored tables of which one date of `sql`, in its DATE column `partition`, needs that date only.

    `dated` names the partition column of each stored table that has one; views are looked through.
    """
    everything = Counter(table for table, _ in scans(con, sql))
    kept: set[str] = set()
    passed: set[str] = set()
    for probe in _PROBES:
        wrapped = f"select * from (\n{sql}\n) where {identifier(partition)} = date '{probe}'"
        found: Counter[str] = Counter()
        for table, filters in scans(con, wrapped):
            found[table] += 1
            if table not in dated or not _equals(dated[table], probe) & filters:
                passed.add(table)
        kept |= {table for table in found if found[table] >= everything[table]}
        if kept == set(everything):
            break
    return kept - passed


def scans(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[str, frozenset[str]]]:
    """Return the scans of stored tables in the plan of `sql`: the table, and each filter on it as text."""
    before = con.execute("select current_setting('disabled_optimizers')").fetchall()[0][0]
    con.execute(f"set disabled_optimizers = {literal(_DISABLED)}")
    try:
        rows = con.execute(f"explain (format json) {sql}").fetchall()
    finally:
        con.execute(f"set disabled_optimizers = {literal(before)}")
    return [scan for node in json.loads(rows[0][1]) for scan in _scans(node)]


def _scans(node: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    facts = node.get("extra_info") or {}
    if isinstance(facts, dict) and "Table" in facts:
        filters = facts.get("Filters", [])
        table = str(facts["Table"]).split(".", 1)[1]
        yield table, frozenset([filters] if isinstance(filters, str) else filters)
    for child in node.get("children", []):
        yield from _scans(child)


def _equals(column: str, probe: str) -> frozenset[str]:
    """Return how a plan may write that a column is a date; what is quoted in it depends on the name."""
    return frozenset(f"({name} = '{probe}'::DATE)" for name in (column, identifier(column)))
