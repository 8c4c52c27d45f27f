"""Where the files of the last run of each command are: beside build.duckdb."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from etl.project import Project

if TYPE_CHECKING:
    import duckdb

_FOLDER = "commands"
#: What the name of a folder goes on with while the command is running.
RUNNING = ".running-"


def base_of(con: duckdb.DuckDBPyConnection) -> Path | None:
    """Return the folder of all commands; None if the database is in memory."""
    query = "select path from duckdb_databases() where database_name = current_database()"
    ((path,),) = con.execute(query).fetchall()
    return Path(path).parent / _FOLDER if path else None


def forget(con: duckdb.DuckDBPyConnection, model: str) -> None:
    """Delete the files of a command's last run, if the model is one."""
    base = base_of(con)
    with suppress(FileNotFoundError):
        for name in os.listdir(base) if base else ():
            if base and (name == model or name.startswith(f"{model}{RUNNING}")):
                shutil.rmtree(base / name, ignore_errors=True)


def forget_commands(project: Project) -> None:
    """Delete the files of all commands: they may hold what is purged. Raises OSError if they cannot be."""
    with suppress(FileNotFoundError):
        shutil.rmtree(project.build.parent / _FOLDER)
