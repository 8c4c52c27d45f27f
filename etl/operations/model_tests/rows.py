"""The rows of a block: its SQL run, and held to the columns and types of a table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.contract.casts import exact_cast
from etl.engine.quoting import identifier
from etl.errors import ModelError, sentence, unknown
from etl.models import Given
from etl.models.query import Query, parse
from etl.operations.model_tests.cases import Block, error_at

if TYPE_CHECKING:
    import duckdb

_BODY = "temp.main._body"


def put_rows(con: duckdb.DuckDBPyConnection, file: str, block: Block, table: Given, into: str) -> list[str]:
    """Make the temporary table `into` of the rows of a block, and return which columns of `table` it has.

    Raises ModelError naming file and line for SQL that DuckDB refuses, a column that `table` does not have, and a
    value that is not of the column's type.
    """
    import duckdb

    types = dict(table.columns)
    if not block.sql:
        known = [_known(file, block, name, table) for name in block.columns or types]
        nulls = ", ".join(f"cast(null as {types[column]}) as {identifier(column)}" for column in known)
        con.execute(f"create or replace temp table {into} as select {nulls} limit 0")
        return known
    filled = _run(con, file, block)
    columns = {name: _known(file, block, name, table) for name in filled}
    held = {name: type for name, type, *_ in con.execute(f"describe {_BODY}").fetchall()}
    # a column of nulls alone has some type or other, perhaps one that cannot be cast
    values = [
        exact_cast(name, held[name], types[column], True) if filled[name] else f"cast(null as {types[column]})"
        for name, column in columns.items()
    ]
    cells, named = ", ".join(values), ", ".join(map(identifier, columns.values()))
    try:
        con.execute(f"create or replace temp table {into} as from (select {cells} from {_BODY}) as body({named})")
    except duckdb.Error as error:
        raise error_at(file, block.line, _said(error)) from error
    return list(columns.values())


def _run(con: duckdb.DuckDBPyConnection, file: str, block: Block) -> dict[str, bool]:
    """Run the SQL of a block; return the names of its columns, and whether each has a value that is not null."""
    import duckdb

    query = _parsed(con, file, block)
    try:
        con.execute(f"create or replace temp table {_BODY} as select * from (\n{query.sql}\n)")
    except duckdb.Error as error:
        line = re.search(r"\n\nLINE (\d+)", str(error))
        raise query.error_at(int(line[1]) - 1 if line else block.line, _said(error)) from error
    result = con.execute(f"from {_BODY}")
    names, rows = [str(column[0]) for column in result.description or ()], result.fetchall()
    if block.columns and len(block.columns) != len(names):
        what = f"{len(block.columns)} columns are named, and the rows below it have {len(names)} values"
        raise error_at(file, block.line, what)
    if block.columns:
        renamed = ", ".join(map(identifier, block.columns))
        con.execute(f"create or replace temp table {_BODY} as from {_BODY} as body({renamed})")
    elif names[0] == "col0":
        what = f"given: {block.table}" if block.table else "expect:"
        raise error_at(file, block.line, f"rows in VALUES need names: `-- {what} (column, column)`")
    filled = [any(row[place] is not None for row in rows) for place in range(len(names))]
    return dict(zip(block.columns or names, filled, strict=True))


def _parsed(con: duckdb.DuckDBPyConnection, file: str, block: Block) -> Query:
    try:
        (query,) = parse(con, {file: block.sql}).values()
    except ModelError as error:
        # what has no place in the text has that of the block
        message = str(error).replace(f"{file}:1:", f"{file}:{block.line}:", 1)
        raise ModelError(sentence(message.replace("A model or audit is exactly", "Rows are exactly"))) from None
    return query


def _known(file: str, block: Block, name: str, table: Given) -> str:
    """Return a column's name as the table spells it."""
    types = dict(table.columns)
    for column in types:
        if column.lower() == name.lower():
            return column
    raise error_at(file, block.line, unknown(f"{table.name} has no column {name}", name, types))


def _said(error: Exception) -> str:
    """Return what DuckDB says, in one line."""
    message = str(error).partition("\n\nLINE ")[0]
    return re.sub(r"^[A-Z][A-Za-z ]+ Error: ", "", message).replace("\n", " ").rstrip(".")
