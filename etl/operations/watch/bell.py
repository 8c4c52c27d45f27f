"""The bell: what threads, ended children and signals ring, and the one loop waits for."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from threading import Event

from etl.project.waiting import is_readable


@dataclass(frozen=True)
class Wake:
    """Why it is worth a look; `is_outside` for what only a run can look at."""

    why: str
    is_outside: bool = False


class Bell:
    """A pipe in which each ring is a byte: safe from any thread and from a handler of a signal."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._wakes: deque[Wake] = deque(maxlen=1_000)
        #: Set when it is to end: for wakers too.
        self.stop = Event()

    def ring(self, wake: Wake | None = None) -> None:
        """End the wait, if any; a `wake` is kept until it is taken."""
        if wake:
            self._wakes.append(wake)
        # a full pipe rings as well
        with suppress(BlockingIOError, OSError):
            os.write(self._write, b".")

    def end(self) -> None:
        """Have all of it end."""
        self.stop.set()
        self.ring()

    def wait(self, seconds: float | None) -> list[Wake]:
        """Wait for a ring, or for so long; return the wakes since the last time."""
        is_readable(self._read, seconds)
        with suppress(BlockingIOError):
            os.read(self._read, 65_536)
        return [self._wakes.popleft() for _ in range(len(self._wakes))]

    def close(self) -> None:
        """Close the pipe; rings come to nothing from now on."""
        read, write, self._read, self._write = self._read, self._write, -1, -1
        os.close(read)
        os.close(write)
