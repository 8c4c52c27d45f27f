"""The files beside a published file, which its raw views read: wherever both lie, and whoever opened the file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.quoting import one_path, set_variable
from etl.errors import QueryError
from etl.project.others import RAW
from etl.project.project import BUILD_FILE, PARTS

if TYPE_CHECKING:
    import duckdb

#: What somebody sets who attached the file to another database: the path of the folder beside it.
VARIABLE = "warehouse_raw"


def show_beside(con: duckdb.DuckDBPyConnection, file: Path) -> list[str]:
    """Let the views of a published file find what they read, in this connection; return the folders of that.

    Each is returned as it is and as a reader of DuckDB is given it, since both are looked up where access is
    restricted.
    """
    folder, found = file.resolve().parent / RAW, []
    for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
        path = str(folder / name)
        con.execute(set_variable(name, one_path(path)))
        found += [path, one_path(path)]
    return found


def beside_build(file: Path) -> list[str]:
    """Return the folders of the files that views of a build.duckdb read, each as show_beside() does."""
    if file.name != BUILD_FILE:
        return []
    folders = [file.parent / PARTS, file.parent.parent / "lake"]
    return [text for folder in map(str, folders) for text in (folder, one_path(folder))]


def check_reads_only(con: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    """Raise QueryError for what could write to the files beside a published file, which a query may open."""
    if not (file.resolve().parent / RAW).is_dir():
        return
    for statement in con.extract_statements(query):
        kind = statement.type.name
        if kind != "SELECT" and any(word in statement.query.lower() for word in ("copy", "export")):
            raise QueryError(f"The statement is a {kind}, and a published file is only read. Give a SELECT.")
