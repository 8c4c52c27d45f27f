"""What a source must know of how its deliveries come: what there is, where one would be, what decides about it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, Protocol


@dataclass(frozen=True)
class File:
    """One raw file; `name` is its path below data/raw."""

    name: str
    path: Path
    size: int
    #: The later of content and metadata change: an mtime alone can be set back.
    changed_ns: int
    _: KW_ONLY
    #: 0 for a file that was taken once and is in raw/ no more.
    inode: int
    sha256: str = ""

    @property
    def raw(self) -> Path:
        """The folder of all raw files."""
        return self.path.parents[self.name.count("/")]

    @property
    def stat_key(self) -> tuple[str, int, int, int]:
        """What stays the same while the file's content does."""
        return (self.name, self.size, self.changed_ns, self.inode)


class Seen(NamedTuple):
    """What was found: a file of a date, or why something there is not one.

    A `problem` with a date means that the delivery of that date does not count yet; without one, it is about
    something that belongs to no date.
    """

    day: date | None
    file: File | None = None
    problem: str = ""


class Watched(NamedTuple):
    """What tells, by names and stats alone, that look() finds what it found before.

    All paths are below data/raw: folders of which every name counts, and single paths, which need not be there.
    """

    folders: frozenset[str]
    paths: frozenset[str]


@dataclass(frozen=True)
class Known:
    """Files that were found before: size, time of the last change and inode, by name below data/raw.

    Who looks again notes the names of those that are `as_known`, and need not yield them.
    """

    stamps: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    as_known: list[str] = field(default_factory=list)


class Connector(Protocol):
    """A way in which the deliveries of a source come.

    It is a frozen dataclass: its fields are the options that people write, with a comment above each. Wrong ones
    are a ContractError when it is made. Its class is in CONNECTORS.
    """

    @property
    def named(self) -> str:
        """What messages call it, such as `files='sales/{date}.csv'`."""

    @property
    def place(self) -> str:
        """Where its deliveries lie, below data/raw; lineage says so of the columns."""

    @property
    def is_dated(self) -> bool:
        """Whether each delivery is that of a date; otherwise it is a snapshot, that of the batch date."""

    @property
    def period(self) -> str:
        """The time that a date stands for: day, week, month, quarter or year; empty for a snapshot."""

    @property
    def same_content(self) -> str:
        """What becomes of content that came before; one of SAME."""

    @property
    def definition(self) -> Mapping[str, Any]:
        """What decides, beside a delivery's content, what becomes of it: if it changes, all is taken again."""

    def at_once(self) -> Connector:
        """Return the same without anything that a delivery has to wait for: all that lies there counts."""

    def where(self, day: date) -> str:
        """Return the path below data/raw at which a delivery of a date would be looked for."""

    def claims(self, name: str) -> bool:
        """Return whether a name below data/raw is that of a delivery of this source, or of a marker of one."""

    def look(self, raw: Path, source: str, batch_date: date, now_ns: int, known: Known) -> Iterator[Seen]:
        """Yield all that lies there of a source, unread, but for what it notes to be as it is `known`.

        Only what is the whole of its date, and waits for nothing, may be noted so. Raises DeliveryError if a
        folder cannot be listed.
        """

    def watched(self, raw: Path, days: Collection[date], *, is_waiting: bool) -> Watched | None:
        """Return what look() went by, after it found deliveries of these days; some of them wait for something.

        None if nothing can tell that it would find the same again, or if time alone may change it.
        """


def state_of(status: os.stat_result) -> tuple[int, int, int]:
    """Return size, time of the last change and inode of a raw file, by its stat."""
    return status.st_size, max(status.st_mtime_ns, status.st_ctime_ns), status.st_ino
