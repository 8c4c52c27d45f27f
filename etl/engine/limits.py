"""What takes longer than it may, or is asked to stop, is ended: its statement, its code, and else the process."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, Protocol

from etl.errors import EtlError, TimedOut, lasting

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("etl")

#: How long what is interrupted has to end, in seconds, and how often it is interrupted meanwhile.
_PATIENCE_SECONDS, _AGAIN_SECONDS = 60.0, 0.2
#: The signal that interrupts code; it does nothing where nobody waits for it.
_SIGNAL = signal.SIGURG

#: What was raised in code has so long to reach who waits for it before anything else is raised there.
_UNWINDING_SECONDS = 1.0
_raised_at = float("-inf")

#: The connections that a statement may be under way in.
_connections: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()


class Ended(BaseException):
    """Raised in code that takes too long; not an Exception, or code that goes on after any of these would."""


class Owner(Protocol):
    """The run whose steps are done in this process."""

    @property
    def root(self) -> Path:
        """The folder of the project, whose files are named where code hangs."""

    def usual_seconds(self, step: str, name: str) -> float | None:
        """Return how long a step usually takes; None if it was never done."""

    def give_up(self, error: EtlError) -> None:
        """Note why this process is about to end, while its code hangs in another thread."""


#: The run under way, if there is one.
owner: Owner | None = None


def may_raise(frame: FrameType | None) -> bool:
    """Return whether a signal may raise something in a frame now, or is to come again.

    What was raised just before is given time to unwind, and who begins or ends to listen is not kept from it.
    """
    global _raised_at
    is_unwinding = time.monotonic() - _raised_at < _UNWINDING_SECONDS
    if is_unwinding or (frame and frame.f_code.co_filename in (__file__, contextlib.__file__)):
        return False
    _raised_at = time.monotonic()
    return True


def unwound() -> None:
    """Let a signal raise something at once again: what was raised before has reached who waited for it."""
    global _raised_at
    _raised_at = float("-inf")


def watched(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a connection, whose statements are interrupted from now on if something is to end."""
    _connections.add(con)
    return con


@contextmanager
def ended_after(
    minutes: float,
    what: str,
    step: tuple[str, str] = ("", ""),
    *,
    left: Callable[[], str] = str,
    following: str = "Find out why, or allow it more, and run again: etl run",
) -> Iterator[None]:
    """Interrupt what is executed within after so many minutes, and raise TimedOut; 0: let it take its time.

    What cannot be interrupted, such as a call of the system that hangs, ends with the process and exit code 30:
    what it has committed is kept, and the next run goes on from there. `step` is what is known of by its kind and
    name, `left` returns what is to be said of what is not done, and `following` says what to do next.
    """
    if not minutes:
        yield
        return
    said: list[str] = []
    is_done, thread = threading.Event(), threading.get_ident()

    def over() -> BaseException:
        place = "" if said else _place(thread)
        said.append(f"{what} takes longer than its timeout_minutes, {minutes:g}, and was ended.{place}")
        return Ended()

    def watch() -> None:
        if is_done.wait(minutes * 60):
            return
        over()
        if not interrupted(is_done, thread, _PATIENCE_SECONDS):
            end_process(TimedOut(_told(f"{said[0]} It could not be interrupted, so the process was ended.")))

    def _told(text: str) -> str:
        usual = owner.usual_seconds(*step) if owner else None
        usually = f"It usually takes {lasting(usual)}." if usual is not None else ""
        return " ".join(filter(None, (text, usually, left().strip(), following)))

    watcher = threading.Thread(target=watch, daemon=True)
    with hearing(is_done, Ended), _alarmed(is_done, minutes * 60, over):
        try:
            try:
                watcher.start()
                yield
            finally:
                is_done.set()
        except BaseException as error:
            if not said or isinstance(error, KeyboardInterrupt):
                raise
            raise TimedOut(_told(said[0])) from error
        finally:
            is_done.set()
            if watcher.ident:
                watcher.join()
    if said:
        # what was interrupted has gone on with something else
        raise TimedOut(_told(said[0]))


@contextmanager
def hearing(is_done: threading.Event, what: Callable[[], BaseException], number: int = _SIGNAL) -> Iterator[None]:
    """Let interrupted() raise `what` in this thread until it is done; only a main thread can hear it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_: int, frame: FrameType | None) -> None:
        if not is_done.is_set() and may_raise(frame):
            raise what()

    before = signal.signal(number, end)
    try:
        yield
    finally:
        signal.signal(number, before)


@contextmanager
def _alarmed(is_done: threading.Event, seconds: float, over: Callable[[], BaseException]) -> Iterator[None]:
    """Raise what `over` returns in this thread after so many seconds, and again.

    The system's clock is heard by code, such as a search for a pattern, that no other thread can run beside.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with hearing(is_done, over, signal.SIGALRM):
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def interrupted(is_done: threading.Event, thread: int, seconds: float) -> bool:
    """Interrupt code and statements of a thread until it is done; return whether it was in so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if thread == threading.main_thread().ident:
            signal.pthread_kill(thread, _SIGNAL)
        if is_done.wait(_AGAIN_SECONDS):
            return True
        interrupt_statements()
    return is_done.is_set()


def is_interrupt(error: BaseException) -> bool:
    """Return whether a statement was interrupted: who takes an error for the fault of what it does raises that."""
    is_by_signal = isinstance(error, RuntimeError) and str(error) == "Query interrupted"
    return is_by_signal or type(error).__name__ == "InterruptException"


def interrupt_statements() -> None:
    """Interrupt what the connections of this process execute."""
    if not _connections:
        return
    import duckdb

    # another thread may open one meanwhile: the next time comes soon
    with suppress(RuntimeError):
        for con in list(_connections):
            with suppress(duckdb.Error):
                con.interrupt()


def end_process(error: EtlError, code: int = TimedOut.exit_code) -> NoReturn:
    """End this process, whatever it does in other threads, and have noted why."""
    if owner:
        owner.give_up(error)
    else:
        log.error("failed: %s", error)
    logging.shutdown()
    os._exit(code)


def _place(thread: int) -> str:
    """Return where the project's own code is in a thread, if it is in that."""
    frame = sys._current_frames().get(thread)
    root = owner.root if owner else None
    if frame is None or root is None:
        return ""
    lines = [(f.filename, f.lineno) for f in traceback.extract_stack(frame)]
    own = [f"{file}:{line}" for file, line in lines if Path(file).is_relative_to(root)]
    return f" It was at {own[-1]}." if own else ""
