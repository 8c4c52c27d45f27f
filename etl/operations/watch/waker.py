"""What wakes a watch: the protocol that every kind of waker keeps, and the list of the kinds.

A waker never says what has come, only that it is worth a look: what is there is looked up. So a wake that is lost
delays a delivery until the next sweep, and one that is doubled or forged changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Protocol

from etl.project import Project

#: The module of each kind; each has a class of that name.
WAKERS = {
    "Events": "events",
    "Polling": "polling",
    "Timer": "timer",
    "Listening": "listening",
    "Pointers": "pointers",
    "Bridge": "bridge",
}


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What wakers are made for: a project, and paths that others replace when they have something new for it."""

    project: Project
    pointers: Sequence[Path] = ()


class Waker(Protocol):
    """Something that wakes a watch. It works in a thread of its own, and holds nothing when its wakes() ends."""

    #: Whether it wakes for what does not lie in raw/: then nothing but a run can tell whether anything is new.
    is_outside: bool

    @classmethod
    def of(cls, watched: Watched) -> Sequence[Waker]:
        """Return the wakers of this kind that a project wants. Raises ConfigError for a setting that is wrong."""

    @property
    def named(self) -> str:
        """What messages call it, such as `files below data/raw`; without secrets."""

    def wakes(self, stop: Event) -> Iterator[str]:
        """Yield why it is worth a look, each time that it is, until `stop` is set: it ends within a second.

        An exception is said and the waker is begun again after a while, so it yields once more when it could
        not listen meanwhile. Each look costs little, and many at once are one.
        """


def wakers_of(watched: Watched) -> list[Waker]:
    """Return the wakers of a project, of every kind."""
    kinds = (getattr(import_module(f"etl.operations.watch.{module}"), name) for name, module in WAKERS.items())
    return [waker for kind in kinds for waker in kind.of(watched)]
