"""A run that is asked to stop by a signal, such as that of Ctrl-C, ends soon, and says so; or one that hangs."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.popen_fork import Popen
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from etl.engine import limits
from etl.errors import EtlError, LedgerError, StepError, TimedOut, few
from etl.ledger.history import RUNNING, StepId
from etl.run import recording

log = logging.getLogger("etl")

#: What a problem is noted for: a signal; a step that could be ended only with the process; workers that are gone.
INTERRUPTED, HUNG, WORKERS = "interrupted", "hung", "workers"
#: The signals that ask a run to stop, where nobody else has said what they do.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: So long may it take to stop, in seconds; then the process ends.
_PATIENCE_SECONDS = 3.0
#: So soon is the run asked again that could not hear.
_AGAIN_SECONDS = 0.05
#: What forks a worker, and what the child does all of its work in.
_FORKING, _FORKED = Popen._launch.__code__, BaseProcess._bootstrap.__code__  # type: ignore[attr-defined]


class Stoppable(recording.Recorded, Protocol):
    """The run under way, as far as it can be stopped."""

    pid: int

    def note_problem(self, step: str, error: Exception) -> None:
        """Record that a step failed."""

    def finish(self, is_hung: bool = False) -> None:
        """Write the outcome, and release the lock."""


class Stopped(KeyboardInterrupt):
    """Raised where a run is that is asked to stop. Luigi takes no other error for the end of all of its tasks."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"The run was interrupted by {signal.Signals(number).name}. What is done is kept, and what was "
            "published stays. To go on from here: etl run"
        )
        #: What a process exits with that a signal has ended, as shells have it.
        self.exit_code = 128 + number


class _State:
    """What this process knows: the run that listens, and what it was asked."""

    run: Stoppable | None = None
    pid = 0
    asked = 0
    is_ending = False
    before: dict[int, Any] = {}  # noqa: RUF012
    #: What a thread reads that hears of a signal while a statement is under way; the number of the other end.
    wakeup = -1
    is_done = threading.Event()
    is_done.set()


def listen(run: Stoppable) -> None:
    """Let signals stop a run from now on, and what hangs note it in its name, until leave()."""
    _State.run, _State.pid, _State.asked, _State.is_ending = run, os.getpid(), 0, False
    limits.owner = _Owner(run)
    limits.unwound()
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            before = signal.getsignal(number)
            if before in (signal.SIG_DFL, signal.default_int_handler):
                _State.before[number] = before
                signal.signal(number, _stop)


def end(run: Stoppable) -> None:
    """Note that a run was asked to stop, if it was; what more it is asked counts no more, so that it can end."""
    _State.is_ending = True
    if _State.run is not run or not _State.asked:
        return
    stopped = Stopped(_State.asked)
    with suppress(LedgerError):
        run.history.settle(run.row.run_id)
        rows = run.history.steps([run.row.run_id])
        at = [str(row.id) for row in rows if row.outcome == RUNNING]
        where = f" It was at {few(at)}." if at else ""
        error = StepError(str(stopped).replace(". ", f".{where} ", 1))
        log.error("failed: %s", error)
        run.note_problem(INTERRUPTED, error)
        recording.close_killed(run.history, run.row.run_id, "", "The run was interrupted before it was done.")


def leave(run: Stoppable) -> None:
    """Let signals do what they did before."""
    if _State.run is not run:
        return
    _State.run, limits.owner = None, None
    if threading.current_thread() is threading.main_thread():
        if _State.wakeup >= 0:
            signal.set_wakeup_fd(-1)
            # its thread ends when there is nothing more to read
            os.close(_State.wakeup)
            _State.wakeup = -1
        for number, before in _State.before.items():
            signal.signal(number, before)
        _State.before = {}


def in_worker() -> None:
    """In a forked child: leave to its parent what it is asked, which ends it."""
    if _State.asked:
        # its parent was asked while it was forked
        os._exit(1)
    if threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)
        for number, before in _State.before.items():
            signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else before)


@contextmanager
def heard() -> Iterator[None]:
    """Let what is done within end soon if the run is asked to stop; whatever it raises is Stopped then."""
    outer, is_done = _State.is_done, threading.Event()
    _State.is_done = is_done
    if _State.before and os.getpid() == _State.pid:
        _watch()
    with limits.hearing(is_done, lambda: Stopped(_State.asked or signal.SIGINT)):
        try:
            yield
        except BaseException as error:
            if _State.asked and not isinstance(error, Stopped):
                raise Stopped(_State.asked) from error
            raise
        finally:
            is_done.set()
            _State.is_done = outer
    if _State.asked:
        raise Stopped(_State.asked)


def without_workers(run: Stoppable) -> None:
    """End a run whose worker processes are gone."""
    problem = StepError(
        "The worker processes are gone. Were they killed, or was there too little memory? Run again."
    )
    log.error("failed: %s", problem)
    run.note_problem(WORKERS, problem)
    run.finish()


def _stop(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _State.pid:
        # a child that has not heard yet that its parent is asked
        os._exit(1)
    if not _State.is_ending:
        _State.asked = _State.asked or number
        if _is_forking(frame):
            # what is raised now comes to nothing, and leaves locks held: ask again when the child is there
            again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            return
        # while a step is done, a thread has heard it too, and repeats it
        if limits.may_raise(frame) or _State.is_done.is_set():
            raise Stopped(number)


def _is_forking(frame: FrameType | None) -> bool:
    """Return whether a worker is being forked: Python swallows what functions raise that it calls around that."""
    while frame is not None and frame.f_code not in (_FORKING, _FORKED):
        frame = frame.f_back
    return frame is not None and frame.f_code is _FORKING


def _watch() -> None:
    """Have a thread hear of signals: until a statement is over, the main thread does not."""
    if _State.wakeup >= 0 or threading.current_thread() is not threading.main_thread():
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    if signal.set_wakeup_fd(writing, warn_on_full_buffer=False) != -1:
        # somebody else listens: statements that hear signals by themselves are all that can be had
        os.close(reading)
        os.close(writing)
        return
    _State.wakeup = writing
    threading.Thread(target=_hear, args=(reading, threading.get_ident()), daemon=True).start()


def _hear(reading: int, thread: int) -> None:
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while numbers := pipe.read(1):
            if numbers[0] in _State.before and not _State.is_ending:
                _State.asked = _State.asked or numbers[0]
                _end(numbers[0], thread)


def _end(number: int, thread: int) -> None:
    if limits.interrupted(_State.is_done, thread, _PATIENCE_SECONDS) or _State.is_ending:
        return
    stopped = Stopped(number)
    limits.end_process(StepError(str(stopped)), stopped.exit_code)


class _Owner:
    """A run as the limits of its steps see it."""

    def __init__(self, run: Stoppable) -> None:
        self.run = run

    @property
    def root(self) -> Path:
        return self.run.project.root

    def usual_seconds(self, step: str, name: str) -> float | None:
        with suppress(LedgerError):
            return self.run.history.usual_seconds().get(StepId(step, name))
        return None

    def give_up(self, error: EtlError) -> None:
        if isinstance(error, TimedOut):
            log.error("failed: %s", error)
            self.run.note_problem(HUNG, error)
            recording.note_failed(self.run, error)
        if os.getpid() == self.run.pid:
            self.run.finish(is_hung=True)
