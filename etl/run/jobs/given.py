"""What Spark is given of a table: the files of its rows, if Spark reads them as DuckDB does, or a copy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier, literal, paths, qualified
from etl.models.spark_sql import handed_over, spark_type
from etl.stages.warehouse.views import files_in, reads_kept

if TYPE_CHECKING:
    import duckdb

#: All columns of a table, in SQL of Spark.
_STAR = re.compile(r"(?:\bselect|\bdistinct|,|`\.)\s*\*", re.IGNORECASE)


def given(con: duckdb.DuckDBPyConnection, table: str, sql: str, folder: Path) -> list[Path]:
    """Return the files that Spark reads a table from, for a translated SELECT.

    They are its own, if it is a view of files with all that the SELECT needs; else one is written to the folder.
    """
    columns = {str(row[0]): str(row[1]) for row in con.execute(f"describe {qualified(table)}").fetchall()}
    files = _own(con, table)
    needs_all = _STAR.search(sql) is not None
    needed = {name: type for name, type in columns.items() if needs_all or f"`{name}`" in sql}
    if files and _is_alike(con, files, needed):
        return files
    return [_exported(con, table, columns, folder)]


def _own(con: duckdb.DuckDBPyConnection, table: str) -> list[Path]:
    """Return the files that a table is a view of; none if it has other rows too."""
    query = (
        "select sql from duckdb_views() where database_name = current_database() and not internal "
        "and schema_name || '.' || view_name = $1"
    )
    texts = [text for (text,) in con.execute(query, [table]).fetchall()]
    schema, _, name = table.partition(".")
    return [file for text in texts if not (schema == "raw" and reads_kept(name, text)) for file in files_in(text)]


def _is_alike(con: duckdb.DuckDBPyConnection, files: Sequence[Path], needed: Mapping[str, str]) -> bool:
    """Return whether each of the files has the needed columns, as the types in which a copy would have them."""
    source = paths(files)
    rows = con.execute(f"describe select * from read_parquet({source}, hive_partitioning = false)").fetchall()
    held = {str(row[0]): str(row[1]) for row in rows}
    # of what has no equal there, it would refuse the file
    if not all(map(spark_type, held.values())):
        return False
    if any(held.get(name) != handed_over(type) for name, type in needed.items()):
        return False
    other = (
        f"select 1 from parquet_schema({source}) group by name having count(*) <> {len(files)} or count(distinct "
        "concat_ws('|', type, type_length, num_children, converted_type, scale, precision, logical_type)) > 1"
    )
    return not con.execute(other).fetchall()


def _exported(con: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], folder: Path) -> Path:
    """Write what Spark may read of a table to a file: its columns of types that both have."""
    path = folder / f"{table}.parquet"
    items = ", ".join(
        f"cast({identifier(name)} as {handed_over(type)}) as {identifier(name)}"
        for name, type in columns.items()
        if spark_type(type)
    )
    con.execute(f"copy (select {items} from {qualified(table)}) to {literal(str(path))} (format parquet)")
    return path
