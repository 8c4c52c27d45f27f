"""Polling: a look every few seconds, where no event tells of changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event

from etl.operations.watch.mounts import tells_changes
from etl.operations.watch.waker import Watched

#: So often is looked though something else tells of changes: it may have lost some.
SWEEP_SECONDS = 180.0


@dataclass(frozen=True)
class Polling:
    """Wakes every so many seconds, to look at data/raw."""

    seconds: float
    why: str
    is_outside = False

    @classmethod
    def of(cls, watched: Watched) -> Sequence[Polling]:
        """Return the sweep, which finds whatever no other waker told; often, if nothing else tells of changes."""
        if tells_changes(watched.project.raw):
            return [cls(SWEEP_SECONDS, "the sweep")]
        return [cls(watched.project.settings.watch_poll_seconds, "polling")]

    @property
    def named(self) -> str:
        """How often."""
        return f"{self.why}, every {self.seconds:g} seconds"

    def wakes(self, stop: Event) -> Iterator[str]:
        """Yield every so many seconds."""
        while not stop.wait(self.seconds):
            yield self.why
