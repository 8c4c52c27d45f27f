"""Seeds: small CSV files in sql/seeds/ that are tables, typed by their contracts; each is a SELECT of values."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier, literal
from etl.errors import ModelError, unknown
from etl.models.context import Context, Promised
from etl.models.names import table_name
from etl.project.files import project_files

if TYPE_CHECKING:
    import duckdb

FOLDER = "seeds"

#: A larger file is a delivery, which extraction takes into the lake.
_MOST_BYTES = 1_000_000


def read_seeds(con: duckdb.DuckDBPyConnection, folder: Path, context: Context) -> Iterator[tuple[str, str, str]]:
    """Yield file, table and SELECT of each seed. An empty cell is null.

    Raises ModelError naming file and line for a seed without a contract, a header that is not the contract's, a
    row of another width, and a cell that is not a value of its column.
    """
    for path in project_files(folder / FOLDER, ".csv", below=False):
        file = f"{folder.name}/{FOLDER}/{path.name}"
        name = table_name(path.relative_to(folder), file)
        if name not in context.promised:
            raise ModelError(
                f"{file}: a seed needs a contract with the types of its columns. Write a pandera model in the "
                f'contracts folder with `class Config: name = "{name}"`.'
            )
        if path.stat().st_size > _MOST_BYTES:
            raise ModelError(f"{file}: the file is too large for a seed. Deliver it to data/raw as a source.")
        yield file, name, _select(con, file, path, context.promised[name])


def _select(con: duckdb.DuckDBPyConnection, file: str, path: Path, promised: Promised) -> str:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            rows = [(reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ModelError(f"{file}: the file is not CSV in UTF-8: {error}.") from error
    header = rows[0][1] if rows else []
    names = [name for name, _ in promised.columns]
    if sorted(header) != sorted(names):
        wrong = next((name for name in header if name not in names), "")
        said = f"{file}:1: the header is {', '.join(header) or 'empty'}"
        raise ModelError(unknown(said, wrong, names, f"The contract has {', '.join(names)}"))
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise ModelError(f"{file}:{line}: the row has {len(row)} cells, and the header {len(header)}.")
    values = [[cell or None for cell in row] for _, row in rows[1:]]
    _check_cells(con, file, header, rows[1:], promised)
    parsed = dict(promised.parsed)
    columns = ", ".join(f"{parsed[name]} as {identifier(name)}" for name in names)
    return f"select {columns} from ({_values(header, values)})"


def _values(header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
    """Return the SELECT of text cells."""
    names = ", ".join(map(identifier, header))
    if not rows:
        return "select " + ", ".join(f"null::varchar as {identifier(name)}" for name in header) + " limit 0"
    # a first row of nulls would leave the types open
    # a row a line, for the difference that `etl plan` shows
    cells = ",\n".join("(" + ", ".join(f"{literal(cell)}::varchar" for cell in row) + ")" for row in rows)
    return f"select * from (values {cells}) as seed({names})"


def _check_cells(
    con: duckdb.DuckDBPyConnection,
    file: str,
    header: Sequence[str],
    rows: Sequence[tuple[int, list[str]]],
    promised: Promised,
) -> None:
    """Raise for the first cell that is not a value of its column."""
    types = dict(promised.columns)
    for name, parsed in promised.parsed:
        position = header.index(name)
        cells = [(line, row[position]) for line, row in rows if row[position]]
        query = (
            f"select line, cell from (select unnest($1) as line, unnest($2::varchar[]) as {identifier(name)}, "
            f"{identifier(name)} as cell) where ({parsed}) is null order by line limit 1"
        )
        bad = con.execute(query, [[line for line, _ in cells], [cell for _, cell in cells]]).fetchall()
        if bad:
            line, cell = bad[0]
            raise ModelError(f"{file}:{line}: column {name}: {cell!r} is not a {types[name]}.")
