"""The parts of the tables in build.duckdb, each with what its content stays the same for.

A partition, or all of a table that has none, holds what it did for as long as what it was loaded or built from is
the same. So whoever has looked at a part looks again only when its basis is another one.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from etl.engine.quoting import literal
from etl.models import KINDS, Columns, Kind
from etl.stages.warehouse.work import Day

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb


class Held(NamedTuple):
    """A partition of a table; with `day` None that of the rows without a date, or all of a table without any.

    `basis` stands for what it was loaded or built from, and when; `version` for what it holds, if somebody looked.
    """

    table: str
    day: Day
    basis: str
    version: str
    rows: int | None
    is_partition: bool


def _named(is_meant: Callable[[Kind], bool]) -> str:
    """Return a list of kinds of models, as SQL."""
    return literal([name for name, kind in KINDS.items() if is_meant(kind)])


_PARTS = f"""
select 'raw.' || source, date, fingerprint, '', partitions.rows, true
from etl._loaded left join etl.partitions using (source, date)
union all
select name, date, version, version, _partitions.rows, true from etl._partitions join etl.models using (name)
where list_contains({_named(lambda kind: kind.is_partitioned)}, materialized) and _partitions.rows > 0
union all
select name, null, version || ' ' || built_at, version, models.rows, false
from etl.models join etl._builds using (name)
where list_contains({_named(lambda kind: kind.is_stored and not kind.is_partitioned)}, materialized)
"""
_COLUMNS = (
    "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() "
    "where database_name = current_database() and not internal and schema_name <> 'etl' "
    "order by schema_name, table_name, column_index"
)


def held_parts(con: duckdb.DuckDBPyConnection) -> list[Held]:
    """Return every part of every table that etl made."""
    return list(map(Held._make, con.execute(_PARTS).fetchall()))


def columns_of(con: duckdb.DuckDBPyConnection) -> dict[str, Columns]:
    """Return names and types of the columns of each table and view."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for table, column, type in con.execute(_COLUMNS).fetchall():
        found[table].append((column, type))
    return {table: tuple(columns) for table, columns in found.items()}
