"""Partitions that stay as they were taken, into raw.*: snapshots of a history, and what a refusal has kept.

The contract may be another by now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etl.contract.casts import exact_cast
from etl.contract.masking import withheld
from etl.engine.quoting import paths
from etl.errors import StepError
from etl.sources import Source
from etl.stages.warehouse.views import rows_of

if TYPE_CHECKING:
    import duckdb


def insert_as_taken(con: duckdb.DuckDBPyConnection, source: Source, files: Sequence[Path]) -> None:
    """Add the rows of lake files to the table of a source, by the names of their columns.

    A column that a file lacks is null, one that the table lacks is left out, one of another type is cast, if that
    keeps every value. What was
    masked in another way than it is now, or not at all, is null. Raises StepError, naming the files, for a value
    that cannot be cast.
    """
    import duckdb

    for (columns, _), together in _alike(con, source, files).items():
        try:
            con.execute(
                f"insert into {rows_of(source)} by name select {columns}, now() as _loaded_at "
                f"from read_parquet({paths(together)}, hive_partitioning = false)"
            )
        except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
            days = ", ".join(path.parent.name.partition("=")[2] for path in together)
            cause = withheld(source.contract, error)
            raise StepError(_misfit(source, days, cause, together[0].parent.parent)) from error


def _misfit(source: Source, days: str, cause: str, folder: Path) -> str:
    """Return why rows of earlier days cannot be in the table, and what to do."""
    if not source.history:
        return (
            f"{source.name}: the rows accepted for {days} do not fit the contract any more, and it refuses their "
            f"files: {cause}\nLeave the column its type and cast it in a model, or have the files delivered again."
        )
    return (
        f"{source.name}: the snapshots of {days} do not fit the contract any more: {cause}\nThey cannot be "
        "extracted again. Leave the column its type and cast it in a model, or delete them from "
        f"{folder} to go on without them."
    )


def _alike(
    con: duckdb.DuckDBPyConnection, source: Source, files: Sequence[Path]
) -> Mapping[tuple[str, str], Sequence[Path]]:
    """Return the files by the columns to take of them, and their types; most are alike, and are read together."""
    masks = {column.name.lower(): column.pii for column in source.contract.columns}
    known = {name.lower() for name in source.columns}
    found: dict[tuple[str, str], list[Path]] = {}
    for path in files:
        notes = _notes(con, path)
        query = f"describe from read_parquet({paths([path])}, hive_partitioning = false)"
        columns = {
            name: type
            for name, type, *_ in con.execute(query).fetchall()
            if name.lower() in known and masks.get(name.lower(), "") == notes.get(name.lower(), {}).get("pii", "")
        }
        types = {name.lower(): type for name, type in source.columns.items()}
        selected = ", ".join(exact_cast(name, type, types[name.lower()]) for name, type in columns.items())
        found.setdefault((selected, str([*columns.values()])), []).append(path)
    return found


def _notes(con: duckdb.DuckDBPyConnection, path: Path) -> dict[str, dict[str, str]]:
    """Return what a file of the lake says of its columns, by their names in lower case."""
    query = f"select decode(value) from parquet_kv_metadata({paths([path])}) where decode(key) = 'columns'"
    rows = con.execute(query).fetchall()
    return {name.lower(): notes for name, notes in json.loads(rows[0][0]).items()} if rows else {}
