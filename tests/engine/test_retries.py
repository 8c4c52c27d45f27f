"""Which errors pass by themselves, so that trying again helps."""

import errno
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError, URLError

import duckdb
import pytest

from etl import errors
from etl.engine.retries import PASSING, is_transient
from etl.errors import EtlError


def kinds(kind: type[EtlError] = EtlError) -> Iterator[type[EtlError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_an_error_of_the_system_passes_if_it_is_of_the_list(number: int) -> None:
    error = OSError(number, os.strerror(number), "sales.csv")
    assert is_transient(error) == (number in PASSING)
    of_duckdb = duckdb.IOException(f'IO Error: Could not read from file "sales.csv": {os.strerror(number)}')
    assert is_transient(of_duckdb) == (number in PASSING)


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_what_etl_says_passes_if_it_was_raised_from_what_does(kind: type[EtlError]) -> None:
    said = kind("sales 2024-03-01 is refused: Connection reset by peer, timed out, Stale file handle")
    assert not is_transient(said)
    said.__cause__ = OSError(errno.ENOENT, "No such file")
    assert not is_transient(said)
    said.__cause__ = OSError(errno.ENOSPC, errors.FULL)
    assert not is_transient(said)
    said.__cause__ = ConnectionResetError(errno.ECONNRESET, "reset")
    assert is_transient(said)


def test_a_lock_passes(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as one, closing(sqlite3.connect(path, timeout=0)) as two:
        one.execute("begin exclusive")
        with pytest.raises(sqlite3.OperationalError) as caught:
            two.execute("create table a (x)")
    assert is_transient(caught.value)
    assert is_transient(duckdb.IOException('Could not set lock on file "b": Conflicting lock is held in python'))


PERMANENT = [
    *(ValueError("timed out"), KeyError("Connection refused"), MemoryError(), FileNotFoundError(2, "gone")),
    *(duckdb.ParserException("Input/output error"), duckdb.ConstraintException("timed out")),
    *(sqlite3.OperationalError("no such table: a"), OSError("not a gzip file"), KeyboardInterrupt()),
    *(HTTPError("http://x", 404, "", Message(), None), HTTPError("http://x", 401, "", Message(), None)),
    *(socket.gaierror(socket.EAI_NONAME, "Name or service not known"), URLError("unknown url type: sftp")),
]
PASSES = [
    *(ConnectionResetError("reset"), TimeoutError("timed out"), BrokenPipeError(errno.EPIPE, "pipe")),
    *(HTTPError("http://x", 503, "", Message(), None), HTTPError("http://x", 429, "", Message(), None)),
    *(URLError(ConnectionRefusedError(errno.ECONNREFUSED, "refused")), socket.gaierror(socket.EAI_AGAIN, "")),
]


@pytest.mark.parametrize("error", PERMANENT, ids=repr)
def test_what_is_wrong_stays_wrong(error: BaseException) -> None:
    assert not is_transient(error)


@pytest.mark.parametrize("error", PASSES, ids=repr)
def test_a_connection_that_is_lost_passes(error: BaseException) -> None:
    assert is_transient(error)
