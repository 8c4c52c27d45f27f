"""What takes longer than it may is ended: its statement first, and the process if that does not help."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.errors import TimedOut

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("etl")

#: How long what is interrupted has to end, in seconds, and how often it is interrupted meanwhile.
_PATIENCE_SECONDS, _AGAIN_SECONDS = 60.0, 0.2


@contextmanager
def ended_after(con: duckdb.DuckDBPyConnection, minutes: float, what: str) -> Iterator[None]:
    """Interrupt what `con` executes within after so many minutes, and raise TimedOut; 0: let it take its time.

    What cannot be interrupted, such as code in Python that hangs, ends with the process and exit code 30: what it
    has committed is kept, and the next run goes on from there.
    """
    if not minutes:
        yield
        return
    what_next = "Find out why, or allow it more."
    told = f"{what} takes longer than its timeout_minutes, {minutes:g}, and was ended. {what_next}"
    is_done, is_over = threading.Event(), threading.Event()

    def watch() -> None:
        if is_done.wait(minutes * 60):
            return
        is_over.set()
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            con.interrupt()
            if is_done.wait(_AGAIN_SECONDS):
                return
        log.error("failed: %s It could not be interrupted, so the process was ended.", told)
        logging.shutdown()
        os._exit(TimedOut.exit_code)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except Exception as error:
        if is_over.is_set():
            raise TimedOut(told) from error
        raise
    finally:
        is_done.set()
        watcher.join()
