"""The answer of a query as a file: CSV, Parquet, or a sheet for Excel; whole, or not at all."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etl import engine
from etl.engine.parquet_types import refused, stored_as
from etl.engine.quoting import identifier
from etl.errors import ConfigError, EtlError, QueryError, few, sentence
from etl.operations.spreadsheet import guarded_sql
from etl.project import Project
from etl.project.files import restrict_files, written_aside

if TYPE_CHECKING:
    import duckdb


def check_target(target: Path, suffixes: tuple[str, ...]) -> None:
    """Raise ConfigError if a file cannot be written there: it has another suffix, or there is one already."""
    if target.suffix.lower() not in suffixes:
        raise ConfigError(
            f"The file of --out, {target}, must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}."
        )
    if os.path.lexists(target):
        raise ConfigError(f"{target} exists already, and nothing overwrites it. Name another file.")


def write_answer(project: Project, query: str, file: Path, target: Path) -> int:
    """Write the rows of a query on a published file to a new .csv, .parquet or .xlsx file; return how many.

    Raises QueryError for a query that DuckDB does not understand, and ConfigError for what the format cannot hold.
    """
    import duckdb

    restrict_files(project.settings.mask)
    with written_aside(target.absolute()) as aside, engine.reading(project, file, aside) as con:
        try:
            engine.check_reads_only(con, query, file)
            found = con.sql(query)
            if found is None:
                raise ConfigError("The query has no rows to write. Give a SELECT.")
            check_names([name.lower() for name in found.columns])
            return _WRITERS[target.suffix.lower()](found, aside)
        except duckdb.Error as error:
            is_wrong = isinstance(error, duckdb.ProgrammingError | duckdb.DataError)
            raise (QueryError if is_wrong else EtlError)(sentence(str(error))) from error


def check_names(names: Sequence[str]) -> None:
    """Raise ConfigError if columns have the same name, of which a file or an object would keep one."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ConfigError(f"The query makes several columns named {few(twice)}. Give each its own name with `as`.")


def _csv(found: duckdb.DuckDBPyRelation, aside: Path) -> int:
    cells = found.project(", ".join(guarded_sql(name) for name in found.columns))
    cells.write_csv(str(aside), header=True, use_tmp_file=False)
    return _count(found)


def _parquet(found: duckdb.DuckDBPyRelation, aside: Path) -> int:
    import duckdb

    types = {name: str(type) for name, type in zip(found.columns, found.types, strict=True)}
    for name, type in types.items():
        if wrong := refused(type):
            raise ConfigError(
                f"Parquet cannot hold the {wrong} of column {name}. Cast it, for example to varchar."
            )
    try:
        _write_parquet(found, types, aside, is_wide=False)
    except duckdb.ConversionException:
        # an integer has more digits than a decimal of Parquet
        _write_parquet(found, types, aside, is_wide=True)
    return _count(found)


def _write_parquet(found: duckdb.DuckDBPyRelation, types: dict[str, str], aside: Path, *, is_wide: bool) -> None:
    columns = [
        f"cast({identifier(name)} as {stored_as(type, is_wide)}) as {identifier(name)}"
        if stored_as(type, is_wide) != type
        else identifier(name)
        for name, type in types.items()
    ]
    found.project(", ".join(columns)).write_parquet(str(aside), compression="zstd", use_tmp_file=False)


def _count(found: duckdb.DuckDBPyRelation) -> int:
    return int(found.aggregate("count(*)").fetchall()[0][0])


def _xlsx(found: duckdb.DuckDBPyRelation, aside: Path) -> int:
    from etl.operations.excel import write_sheet

    return write_sheet(found, aside)


_WRITERS = {".csv": _csv, ".parquet": _parquet, ".xlsx": _xlsx}
#: What a file of rows may end in.
SUFFIXES = tuple(_WRITERS)
