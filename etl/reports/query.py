"""Which published file a question is for, and its answer, read-only."""

from __future__ import annotations

import shlex
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl import engine
from etl.engine.quoting import identifier, literal
from etl.errors import EtlError, QueryError
from etl.project import load_project
from etl.reports.status import _with_spans_as_text
from etl.stages import published

if TYPE_CHECKING:
    pass


def file_of(name: str, at: date | None = None) -> Path:
    """Return the file of a generation, by what published.find() knows, or of the last one up to a batch date."""
    project = load_project()
    return published.find_at(project, at) if at else published.find(project, name)


def opening(file: Path) -> str:
    """Return how to open a published file in a DuckDB shell, next to others, and in Python."""
    name = identifier(f"{file.parent.name} {file.stem}")
    return (
        f"duckdb -readonly {shlex.quote(str(file))}\n"
        f"attach {literal(str(file))} as {name} (read_only);\n"
        f"duckdb.connect({str(file)!r}, read_only=True)"
    )


def ask(query: str, file: Path) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the column names and rows of a query on a published file, read-only.

    Time spans are as DuckDB writes them. Raises QueryError for a query that DuckDB does not understand.
    """
    import duckdb

    with engine.reading(load_project(), file) as con:
        try:
            found = con.sql(query)
            found = _with_spans_as_text(found) if found is not None else None
            # Arrow, since fetchall() needs pytz for a timestamp with a time zone
            table = found.to_arrow_table() if found is not None else None
        except duckdb.Error as error:
            is_wrong = isinstance(error, duckdb.ProgrammingError | duckdb.DataError)
            raise (QueryError if is_wrong else EtlError)(str(error)) from error
    if table is None:
        return [], []
    columns = [column.to_pylist() for column in table.columns]
    return table.column_names, list(zip(*columns, strict=True))
