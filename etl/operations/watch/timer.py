"""The timer: so often a run also asks what lies outside, which makes micro-batches of databases and APIs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event

from etl.operations.watch.waker import Watched
from etl.project.durations import seconds_in


@dataclass(frozen=True)
class Timer:
    """Wakes every so many seconds, whatever the clock of the machine says."""

    seconds: float
    is_outside = True

    @classmethod
    def of(cls, watched: Watched) -> Sequence[Timer]:
        """Return one if [etl] watch_every says how often."""
        every = seconds_in(watched.project.settings.watch_every)
        return [cls(every)] if every else []

    @property
    def named(self) -> str:
        """How often."""
        return f"the timer, every {self.seconds:g} seconds"

    def wakes(self, stop: Event) -> Iterator[str]:
        """Yield every so many seconds."""
        while not stop.wait(self.seconds):
            yield "the timer"
