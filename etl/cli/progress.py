"""The progress of a run on a terminal; elsewhere the plain lines of the log are enough."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from etl.run.active import progress

_INTERVAL_SECONDS = 0.2


@contextmanager
def showing_progress() -> Iterator[None]:
    """Show how many steps of the run are done, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("steps"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    stop = threading.Event()
    # forked children must not touch the display: its lock may be taken at the moment of the fork
    os.register_at_fork(after_in_child=_log_plainly)
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        _log_to(sys.stderr)
        task = display.add_task("steps", total=None)

        def follow() -> None:
            while not stop.wait(_INTERVAL_SECONDS):
                done, total = progress()
                display.update(task, completed=done, total=total or None)

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        try:
            yield
        finally:
            stop.set()
            follower.join()
            _log_plainly()


def _log_plainly() -> None:
    _log_to(sys.__stderr__)


def _log_to(stream: object) -> None:
    for handler in logging.getLogger("etl").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.stream = stream
