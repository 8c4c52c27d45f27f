"""One in-memory database of a process for all sources that it extracts: opening one takes 15 ms."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.engine.connections import in_memory, open_in_memory, set_session
from etl.engine.quoting import identifier
from etl.project import Project

if TYPE_CHECKING:
    import duckdb


@dataclass
class _Shared:
    """The database, the process that opened it, what it was opened for, and whether somebody is at work in it."""

    con: duckdb.DuckDBPyConnection
    pid: int
    settings: tuple[str, str, int]
    is_used: bool = False


_kept: list[_Shared] = []


@contextmanager
def in_shared_memory(project: Project) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection to the in-memory database that this process keeps, in which nothing is left of others.

    It is opened again after an error, and another one for whoever asks meanwhile.
    """
    if any(shared.is_used for shared in _mine()):
        with in_memory(project) as con:
            yield con
        return
    shared = _shared(project)
    shared.is_used = True
    try:
        with shared.con.cursor() as con:
            set_session(con, project)
            yield con
            _empty(con)
    except BaseException:
        close_shared_memory()
        raise
    shared.is_used = False


def close_shared_memory() -> None:
    """Close the database, if this process has one."""
    for shared in _mine():
        _kept.remove(shared)
        shared.con.close()


def _mine() -> list[_Shared]:
    # one that a parent opened stays as it is: its threads are not there in a child, which could not close it
    return [shared for shared in _kept if shared.pid == os.getpid()]


def _shared(project: Project) -> _Shared:
    settings = (str(project.scratch), project.settings.memory_limit, project.settings.threads)
    for shared in _mine():
        if shared.settings == settings:
            return shared
    close_shared_memory()
    _kept.append(_Shared(open_in_memory(project), os.getpid(), settings))
    return _kept[-1]


def _empty(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what is left in the database; what is temporary goes with its connection."""
    left = con.execute(
        "select 'view', view_name from duckdb_views() where not internal and not temporary "
        "union all select 'table', table_name from duckdb_tables() where not internal and not temporary"
    ).fetchall()
    for kind, name in left:
        con.execute(f"drop {kind} memory.main.{identifier(name)}")
