"""Filling a table by hand as loading a source or building a model does: by partition of a date, or as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier, literal, qualified
from etl.models import Given
from etl.models.kinds import TABLE
from etl.operations.model_tests.cases import Block, Night
from etl.operations.model_tests.rows import put_rows
from etl.stages.warehouse.work import Day

if TYPE_CHECKING:
    import duckdb

_GIVEN = "temp.main._given"


def deliver(
    con: duckdb.DuckDBPyConnection, file: str, night: Night, block: Block, table: Given, version: str
) -> None:
    """Replace the partitions of a table that a block has rows of; of a table without partitions, all rows.

    Rows without the partition's column are of the night's date, if the night has one, and so is the partition that
    no rows at all replace.
    """
    names = put_rows(con, file, block, table, _GIVEN)
    where, days = "true", []
    if table.partition:
        days = _days(con, night, block, table.partition, names)
        wheres = [f"{identifier(table.partition)} is not distinct from {literal(day)}" for day in days]
        where = " or ".join(wheres) or "false"
    con.execute(f"delete from {qualified(table.name)} where {where}")
    con.execute(f"insert into {qualified(table.name)} by name from {_GIVEN}")
    _note(con, table.name, days, version)


def _days(
    con: duckdb.DuckDBPyConnection, night: Night, block: Block, partition: str, names: Sequence[str]
) -> list[Day]:
    """Return the partitions that rows are given of."""
    column = identifier(partition)
    if partition not in names:
        con.execute(f"alter table {_GIVEN} add column {column} date")
    if night.date and (partition not in names or not block.sql):
        con.execute(f"update {_GIVEN} set {column} = {literal(night.date)}")
        return [night.date]
    return [day for (day,) in con.execute(f"select distinct {column} from {_GIVEN}").fetchall()]


def _note(con: duckdb.DuckDBPyConnection, name: str, days: Sequence[Day], version: str) -> None:
    """Write down that a table, and partitions of it, have a new content."""
    for table in ("models", "_builds"):
        con.execute(f"delete from etl.{table} where name = $1", [name])
    rows = {
        "models (name, materialized, fingerprint)": f"$1, {literal(TABLE.name)}, $2",
        "_builds (name, definition, inputs, version)": "$1, '', '{}', $2",
    }
    for columns, values in rows.items():
        con.execute(f"insert into etl.{columns} values ({values})", [name, version])
    if days:
        where = "name = $1 and (list_contains($2, date) or (date is null and $3))"
        con.execute(
            f"delete from etl._partitions where {where}", [name, [day for day in days if day], None in days]
        )
        query = "insert into etl._partitions (name, date, inputs, version) select $1, unnest($2)::date, '', $3"
        con.execute(query, [name, days, version])
