"""Ways in which what is done can hang, for laws of what ends it."""

import re
import threading
import time
from collections.abc import Callable

import duckdb

from etl.engine.limits import watched

_ENDLESS = "select sum(hash(a.range * b.range)) as n from range(30000000) as a, range(30000000) as b"


def statement() -> None:
    with duckdb.connect() as con:
        watched(con).execute(_ENDLESS).fetchall()


def table() -> None:
    with duckdb.connect() as con:
        watched(con).execute(f"create table t as {_ENDLESS}")


def relation() -> None:
    """A statement that listens to no signal."""
    with duckdb.connect() as con:
        watched(con).sql(_ENDLESS).fetchall()


def loop() -> None:
    while True:
        pass


def stubborn() -> None:
    """Code that goes on after any error."""
    while True:
        try:
            loop()
        except Exception:
            continue


def pattern() -> None:
    """A call that lets no other thread run."""
    re.match("(a+)+$", "a" * 90 + "b")


def sleep() -> None:
    time.sleep(900)


def lock() -> None:
    threading.Event().wait()


HANGS: dict[str, Callable[[], None]] = {
    made.__name__: made for made in (statement, table, relation, loop, stubborn, pattern, sleep, lock)
}
