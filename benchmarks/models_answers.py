"""The raw files and the answers of TPC-H, made without the product, and whether a database holds the answers.

Usage: python models_answers.py generate SCALE FOLDER | answer FOLDER TARGET.json | published TARGET.json
     | compare ANSWERS.json DATABASE
`generate` and `published` need an environment with the package duckdb-extension-tpch: its generator writes the raw
files, and it has the answers for scale 1. (Other generators write other addresses and comments.) `answer` runs the
22 queries on tables that DuckDB's own reader made of the raw files; `compare` prints what differs.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

#: Numbers are equal if they are to nine digits: the order in which floats are added up is not fixed.
TOLERANCE = 1e-9


def answer(raw: str, target: str) -> None:
    """Write the answers for the raw files of a folder."""
    from models_domain import VIEWS
    from models_tpch import tpch

    domain = tpch(Path(raw))
    with duckdb.connect() as con:
        for table in domain.raw:
            con.execute(f"create table {table.name} as {table.select}")
        queries = {n: text.replace(f"{VIEWS}.", "") for n, text in domain.models.items() if n.startswith("marts.")}
        _write(target, {name: con.execute(query).fetchall() for name, query in queries.items()})


def published(target: str) -> None:
    """Write the answers for scale 1 that come with DuckDB's extension for TPC-H."""
    with _extension() as con:
        found = con.execute("select query_nr, answer from tpch_answers() where scale_factor = 1").fetchall()
    rows = {f"marts.q{number:02}": [line.split("|") for line in text.splitlines()[1:]] for number, text in found}
    _write(target, rows)


def generate(scale: str, folder: str) -> None:
    """Write the eight raw files, with a delimiter at the end of each line."""
    from models_tpch import COLUMNS

    Path(folder).mkdir(parents=True, exist_ok=True)
    with _extension() as con:
        con.execute(f"call dbgen(sf = {float(scale)})")
        for name in COLUMNS:
            dialect = "format csv, delimiter '|', quote '', escape '', header false"
            con.execute(f"copy (select *, '' from {name}) to '{folder}/{name}.tbl' ({dialect})")


def compare(answers: str, database: str) -> None:
    """Print the name of each query whose table does not hold its answer."""
    with duckdb.connect(database, read_only=True) as con:
        for name, rows in json.loads(Path(answers).read_text(encoding="utf-8")).items():
            if not _same(_cells(rows), _cells(con.execute(f"from {name}").fetchall())):
                print(name)


def _extension() -> duckdb.DuckDBPyConnection:
    import duckdb_extension_tpch

    folder = Path(duckdb_extension_tpch.__file__).parent
    con = duckdb.connect()
    con.execute(f"load '{next(folder.rglob(f'v{duckdb.__version__}/*.duckdb_extension'))}'")
    return con


def _write(target: str, answers: dict[str, Any]) -> None:
    Path(target).write_text(json.dumps(answers, default=str), encoding="utf-8")


def _cells(rows: Sequence[Sequence[object]]) -> list[list[float | str]]:
    return sorted(([_cell(value) for value in row] for row in rows), key=_order)


def _cell(value: object) -> float | str:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value).strip()


def _order(row: list[float | str]) -> list[str]:
    return [f"{cell:.6e}" if isinstance(cell, float) else cell for cell in row]


def _same(some: list[list[float | str]], others: list[list[float | str]]) -> bool:
    return len(some) == len(others) and all(
        len(row) == len(other) and all(_equal(*pair) for pair in zip(row, other, strict=True))
        for row, other in zip(some, others, strict=True)
    )


def _equal(one: float | str, other: float | str) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE)
    return one == other


if __name__ == "__main__":
    commands: dict[str, Callable[..., None]] = {
        "generate": generate,
        "answer": answer,
        "published": published,
        "compare": compare,
    }
    commands[sys.argv[1]](*sys.argv[2:])
