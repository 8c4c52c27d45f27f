"""The watch itself: one loop that is woken, looks, and begins a run if anything is complete and new."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Protocol

from etl.errors import AlreadyRunning, EtlError, few
from etl.ledger.lock import holder
from etl.operations.watch.bell import Bell, Wake
from etl.operations.watch.children import begin
from etl.operations.watch.declared import Declared, ask
from etl.operations.watch.looking import Looking
from etl.operations.watch.pacing import Pacing
from etl.operations.watch.waker import Waker, Watched, wakers_of
from etl.project import Project
from etl.project.stamps import tree_stamp

#: A waker that failed is begun again after the first, then after twice as long.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 300.0
#: A waker that has worked for so long fails for the first time again.
_SOUND_SECONDS = 60.0


class _Run(Protocol):
    @property
    def exit_code(self) -> int | None: ...
    def stop(self) -> None: ...


class Watch:
    """A project that is watched, from `run()` until `end()`; `tell` is given what is to be said."""

    def __init__(
        self,
        project: Project,
        tell: Callable[[str], None],
        *,
        begin: Callable[[Project, Callable[[], None]], _Run] = begin,
        ask: Callable[[Project], Declared] = ask,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a watch that waits for run(). Raises ConfigError for settings and contracts that are wrong."""
        self.project, self._tell_line = project, tell
        self._begin, self._ask, self._clock = begin, ask, clock
        self.bell = Bell()
        self._pacing = Pacing(project.settings.watch_cool_down)
        self._looking = Looking()
        self._stamp = tree_stamp(project.contracts)
        self._declared = ask(project)
        self.wakers = wakers_of(Watched(project=project, pointers=self._declared.pointers))
        self._child: _Run | None = None
        self._threads: list[Thread] = []

    def run(self, *, stop_run: bool = False) -> None:
        """Watch until end(); a run under way then goes on, or is told to stop. It begins with a run.

        Nobody knows what came before, and a run that finds nothing new takes a moment.
        """
        self._threads = [self._waking(waker) for waker in self.wakers]
        self._pacing.want()
        self._tell("begins")
        while not self.bell.stop.is_set():
            self._turn()
        if self._child and self._child.exit_code is None:
            if stop_run:
                self._child.stop()
            self._tell("ends, and " + ("stops the run under way" if stop_run else "leaves the run under way"))
        else:
            self._tell("ends")

    def end(self) -> None:
        """Have it end, from any thread or a handler of a signal."""
        self.bell.end()

    def close(self, seconds: float = 5.0) -> None:
        """Wait for the threads of its wakers, and close the bell."""
        for thread in self._threads:
            thread.join(seconds)
        self.bell.close()

    def _turn(self) -> None:
        """Wait for what is due or wakes, and do it."""
        wakes = self.bell.wait(self._pacing.pause(self._clock()))
        if wakes and not self.bell.stop.is_set():
            self._woken(wakes)
        self._see_child()
        if not self.bell.stop.is_set():
            try:
                self._do_what_is_due()
            except OSError as error:
                # no process, memory or disk: what comes next time may find some
                self._tell(f"cannot go on: {error}")
                self._pacing.failed(self._clock())

    def _woken(self, wakes: Sequence[Wake]) -> None:
        if self._declared.has_outside and any(wake.is_outside for wake in wakes):
            self._tell(f"is woken by {few(dict.fromkeys(wake.why for wake in wakes if wake.is_outside), 3)}")
            self._pacing.want()
        self._pacing.wake(self._clock())

    def _see_child(self) -> None:
        if self._child and (code := self._child.exit_code) is not None:
            self._child = None
            self._pacing.ended(self._clock(), code)
            self._tell(f"sees the run end{_SAID.get(code, f' with exit code {code}')}")
            # what came meanwhile may have been taken, or not
            self._pacing.wake(self._clock())

    def _do_what_is_due(self) -> None:
        if self._pacing.is_look_due(self._clock()):
            self._look()
        if not self._pacing.is_run_due(self._clock()):
            return
        if holder(self.project):
            return self._pacing.put_off(self._clock())
        # what a run takes is what is there when it begins
        self._look()
        self._pacing.began(self._clock())
        self._child = self._begin(self.project, self.bell.ring)
        self._looking.begun()
        self._tell("begins a run" + (f": new of {few(self._looking.new, 5)}" if self._looking.new else ""))

    def _look(self) -> None:
        self._ask_again()
        is_new = self._looking.look(self._declared.delivered, self.project.today())
        self._pacing.looked(self._clock(), is_new=is_new, again_in=self._looking.again_in)

    def _ask_again(self) -> None:
        """Ask what is declared if the contracts were changed; if they are wrong now, what was declared holds."""
        stamp = tree_stamp(self.project.contracts)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._declared = self._ask(self.project)
        except EtlError as error:
            self._tell(f"goes on with the contracts as they were: {error}")

    def _waking(self, waker: Waker) -> Thread:
        thread = Thread(target=self._wake, args=(waker,), name=waker.named, daemon=True)
        thread.start()
        return thread

    def _wake(self, waker: Waker) -> None:
        """Ring whenever a waker wakes; begin it again after it failed."""
        pause = _FIRST_PAUSE_SECONDS
        while not self.bell.stop.is_set():
            begun = self._clock()
            try:
                for why in waker.wakes(self.bell.stop):
                    self.bell.ring(Wake(why, waker.is_outside))
            except Exception as error:
                pause = _FIRST_PAUSE_SECONDS if self._clock() - begun > _SOUND_SECONDS else pause
                self._tell(f"has lost {waker.named}, and tries again in {pause:g} seconds: {error}")
            self.bell.stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _tell(self, what: str) -> None:
        # a full disk may be that of the output, too
        with suppress(OSError, ValueError):
            self._tell_line(f"the watch {what}")


_SAID = {
    0: ": it was done",
    AlreadyRunning.exit_code: ": another run is under way",
}
