"""Databases in memory for what is compiled, of two that a process opens once: opening one takes 15 ms."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_numbers = itertools.count()


def bare_cursor() -> duckdb.DuckDBPyConnection:
    """Return a connection to an in-memory database for what is compiled: without files, settings and threads.

    What is temporary in it goes when the connection is closed; nothing else is to be made.
    """
    return _opened(os.getpid(), "false").cursor()


@contextmanager
def blank_database(options: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory database in which nothing is, made with the options of ATTACH, and drop it in the end.

    Only functions and the databases that others work in meanwhile are to be seen from it.
    """
    name, database = f"blank_{next(_numbers)}", _opened(os.getpid(), "true")
    with database.cursor() as other:
        other.execute(f"attach ':memory:' as {name} {f'({options})' if options else ''}")
        try:
            with database.cursor() as con:
                con.execute(f"use {name}")
                yield con
        finally:
            # by another connection: the one may be in a transaction that has failed
            other.execute(f"detach {name}")


@cache
def _opened(_: int, has_files: str) -> duckdb.DuckDBPyConnection:
    """Return the database of a process, by its id: a child cannot use that of its parent."""
    import duckdb

    return duckdb.connect(":memory:", config={"enable_external_access": has_files, "threads": "1"})
