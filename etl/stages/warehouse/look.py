"""A look at what build.duckdb says that it holds, that gets in the way of no run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from etl import engine
from etl.errors import EtlError
from etl.project import Project
from etl.stages.warehouse.build import define_own, transaction
from etl.stages.warehouse.views import file_views, files_in, raw_views
from etl.stages.warehouse.work import State

if TYPE_CHECKING:
    import duckdb

_COPIED = ("etl.models", "etl._builds", "etl._partitions", "etl._loaded", "etl._tables", "etl.partitions")


@contextmanager
def look(project: Project) -> Iterator[State | None]:
    """Give the state of build.duckdb, which may be changed; None while a run has the file open.

    It is a copy in memory: the file is closed again before the state is given, since no run can open it until
    then. Of a file with another layout, which a run begins anew, the state is empty.
    """
    with engine.in_memory(project) as con:
        define_own(con)
        is_there = project.build.exists()
        is_free = not is_there or engine.attach_build(project, con)
        if is_there and is_free:
            _copy(con)
            con.execute(f"detach {engine.BUILD}")
        yield State(con) if is_free else None


def files_of_views(project: Project) -> list[Path]:
    """Return the files that views of build.duckdb read; none of one that cannot be opened."""
    import duckdb

    with engine.in_memory(project) as con, suppress(duckdb.Error, EtlError):
        if project.build.exists() and engine.attach_build(project, con):
            con.execute(f"use {engine.BUILD}")
            found = [file for _, sql in [*raw_views(con), *file_views(con)] for file in files_in(sql)]
            con.execute("use memory")
            return found
    return []


def _copy(con: duckdb.DuckDBPyConnection) -> None:
    import duckdb

    try:
        with transaction(con):
            for table in _COPIED:
                con.execute(f"insert into {table} from {engine.BUILD}.{table}")
    except (duckdb.CatalogException, duckdb.BinderException):
        # there is no schema etl in it, or it has other columns
        return
