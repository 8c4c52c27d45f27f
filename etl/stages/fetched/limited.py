"""A fetch that takes longer than it may is interrupted, also while it only waits."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from etl.errors import FetchError
from etl.sources import Source


def too_long(source: Source) -> FetchError:
    """Return what is said of a fetch that takes longer than its time_limit."""
    return FetchError(
        f"{source.name}: the fetch takes longer than its time_limit, {source.fetch.time_limit}, and was ended. "
        "Find out why, or allow it more."
    )


@contextmanager
def limited(source: Source, seconds: float) -> Iterator[None]:
    """Raise FetchError after so many seconds; only the main thread of a process can be interrupted."""
    if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def end(*_: Any) -> None:
        raise too_long(source)

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
