"""Which published file a question is for, and its answer, read-only."""

from __future__ import annotations

import re
import shlex
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl import engine
from etl.engine.memory import MORE_MEMORY, is_out_of_memory
from etl.engine.quoting import identifier, literal
from etl.errors import EtlError, QueryError, sentence
from etl.project import load_project
from etl.stages import published

if TYPE_CHECKING:
    import duckdb

#: Whole numbers that Arrow has no type for.
_WHOLE = ("UHUGEINT", "BIGNUM")
#: Types of which Python or Arrow would show another value: DuckDB's own text of it is shown.
_TEXTS = re.compile(rf"\b({'|'.join(_WHOLE)}|INTERVAL|BIT|TIME_NS|GEOMETRY)\b|\bTIME\b(?! ZONE)")
#: The same, if there are values that Python's dates do not reach.
_FAR = re.compile(rf"{_TEXTS.pattern}|\b(DATE|TIMESTAMP)")


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

    What Python has no value for, such as a time span of months, is as DuckDB writes it. Raises QueryError for a
    query that DuckDB does not understand.
    """
    import duckdb

    with engine.reading(load_project(), file) as con:
        try:
            engine.check_reads_only(con, query, file)
            found = con.sql(query)
            if found is None:
                return [], []
            try:
                return _answer(found, _TEXTS)
            except (OverflowError, ValueError):
                # Python's dates begin in the year 1 and end in 9999, and have no infinity
                return _answer(con.sql(query), _FAR)
        except duckdb.Error as error:
            if is_out_of_memory(error):
                raise EtlError(f"{sentence(str(error))} {MORE_MEMORY} Then ask again.") from error
            is_wrong = isinstance(error, duckdb.ProgrammingError | duckdb.DataError)
            raise (QueryError if is_wrong else EtlError)(str(error)) from error


def _answer(found: duckdb.DuckDBPyRelation, texts: re.Pattern[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return names and rows; values of types that `texts` finds are text, and whole numbers among them numbers."""
    types = list(map(str, found.types))
    # by their places: a query may have two columns of one name
    columns = [
        f"#{number}::varchar" if texts.search(type) else f"#{number}" for number, type in enumerate(types, 1)
    ]
    named = ", ".join(
        f"{column} as {identifier(name)}" for column, name in zip(columns, found.columns, strict=True)
    )
    # Arrow, since fetchall() needs pytz for a timestamp with a time zone
    table = found.project(named).to_arrow_table()
    lists = [column.to_pylist() for column in table.columns]
    for number, type in enumerate(types):
        if type in _WHOLE:
            lists[number] = [None if text is None else int(text) for text in lists[number]]
    return table.column_names, list(zip(*lists, strict=True))
