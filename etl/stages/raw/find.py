"""raw: find what was delivered. It reads names and stats; it never writes, renames or deletes here."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from etl.sources.connectors.connector import File, Known, state_of
from etl.sources.source import Source


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The partition `date` of `source`: its files, sorted by name; more than one where a wildcard matches."""

    source: str
    date: date
    files: tuple[File, ...]
    #: Why it is refused if it has any record; empty for one that its records decide about.
    problem: str = ""
    #: The hash of what people decided about its records; empty if they decided nothing.
    corrections: str = ""

    @cached_property
    def file(self) -> str:
        """What messages call it: the file's name, or what the names of several have in common."""
        names = [file.name for file in self.files]
        if len(names) == 1:
            return names[0]
        start = _common(names)
        end = _common([name[len(start) :][::-1] for name in names])[::-1]
        return f"{start}*{end} ({len(names):,} files)"

    @cached_property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)

    @cached_property
    def sha256(self) -> str:
        """The hash of the content; of several files, of their names and contents."""
        if len(self.files) == 1:
            return self.files[0].sha256
        text = "".join(f"{file.name}\0{file.sha256}\0" for file in self.files)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def is_in_raw(self) -> bool:
        """Whether its files are there, not only what was taken of them."""
        return any(file.inode for file in self.files)


@dataclass(frozen=True)
class Found:
    """What lies in raw/ of one source, by partition; a snapshot's is that of the batch date.

    `incomplete` says why a delivery does not count yet. `others` are matches that belong to no date.
    """

    complete: Mapping[date, Delivery]
    incomplete: Mapping[date, str]
    others: Sequence[str] = ()


def find(source: Source, raw: Path, batch_date: date) -> dict[date, Delivery]:
    """Return the deliveries of a source that count, by partition."""
    return dict(look(source, raw, batch_date, time.time_ns()).complete)


def look(source: Source, raw: Path, batch_date: date, now_ns: int, known: Known | None = None) -> Found:
    """Return the deliveries of a source, and those that do not count: all files of one must be complete.

    What is noted to be as it is `known` is not among them. Raises DeliveryError if a folder cannot be listed.
    """
    files: dict[date, list[File]] = defaultdict(list)
    problems: dict[date, list[str]] = defaultdict(list)
    others: list[str] = []
    for day, file, problem in source.connector.look(raw, source.name, batch_date, now_ns, known or Known()):
        if day is None:
            others.append(problem)
        elif file is None:
            problems[day].append(problem)
        else:
            files[day].append(file)
    return Found(
        {
            day: Delivery(
                source=source.name, date=day, files=tuple(sorted(files[day], key=lambda file: file.name))
            )
            for day in sorted(files)
            if day not in problems
        },
        {day: _listed(problems[day]) for day in sorted(problems)},
        others,
    )


def state(path: Path) -> tuple[int, int, int]:
    """Return size, time of the last change and inode of a raw file."""
    return state_of(path.stat())


def _common(texts: Sequence[str]) -> str:
    """Return what all texts begin with."""
    first, last = min(texts), max(texts)
    length = next((n for n, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
    return first[:length]


def _listed(problems: Sequence[str]) -> str:
    return problems[0] if len(problems) == 1 else f"{problems[0]}, and {len(problems) - 1:,} more"
