"""raw: find what was delivered. It reads names and stats; it never writes, renames or deletes here."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from etl.errors import DeliveryError
from etl.sources.files import FILE, Segment, day_of, file_pattern
from etl.sources.source import Source

#: Control characters, line ends, and bytes that are no UTF-8.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


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


def look(source: Source, raw: Path, batch_date: date, now_ns: int) -> Found:
    """Return the deliveries of a source, and those that do not count: all files of one must be complete.

    A name that has the shape of a delivery but no possible date, such as 2013-02-30 or 2013-2-3, is not one; it is
    among the others.
    Raises DeliveryError if a folder cannot be listed.
    """
    files: dict[date, list[File]] = defaultdict(list)
    problems: dict[date, list[str]] = defaultdict(list)
    others: list[str] = []
    for match in _Search(raw, source).matches():
        day = day_of(match.parts) if source.is_dated else batch_date
        if day is None and match.problem and not match.is_whole:
            others.append(match.problem)
        elif day is None and match.status is not None:
            others.append(f"{match.name!r} has a date that does not exist")
        elif day is not None and match.problem:
            problems[day].append(match.problem)
        elif day is not None and match.status is not None:
            size, changed_ns, inode = state_of(match.status)
            files[day].append(File(match.name, raw / match.name, size, changed_ns, inode=inode))
    for day, found in files.items():
        problems[day] += _unfinished(source, raw, day, found, now_ns)
    return Found(
        {
            day: Delivery(
                source=source.name, date=day, files=tuple(sorted(files[day], key=lambda file: file.name))
            )
            for day in sorted(files)
            if not problems[day]
        },
        {day: _listed(problems[day]) for day in sorted(problems) if problems[day]},
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


def state_of(status: os.stat_result) -> tuple[int, int, int]:
    """Return what state() does, of a file that is open."""
    return status.st_size, max(status.st_mtime_ns, status.st_ctime_ns), status.st_ino


def _unfinished(source: Source, raw: Path, day: date, files: Sequence[File], now_ns: int) -> Iterator[str]:
    """Yield why the files of one delivery are not complete, if they are not."""
    if source.marker and not source.marker.startswith(FILE):
        marker = file_pattern(source.marker).path(day)
        if not (raw / marker).exists():
            yield f"no {marker}"
    for file in files:
        if source.marker.startswith(FILE) and not (raw / source.marker.replace(FILE, file.name)).exists():
            yield f"no {source.marker.replace(FILE, file.name)}"
        if source.settle_seconds and now_ns - file.changed_ns < source.settle_seconds * 1e9:
            at = datetime.fromtimestamp(file.changed_ns / 1e9, UTC)
            setting = f"settle_seconds is {source.settle_seconds:g}"
            yield f"{file.name} was changed at {at:%Y-%m-%d %H:%M:%S}Z, and {setting}"


def _listed(problems: Sequence[str]) -> str:
    return problems[0] if len(problems) == 1 else f"{problems[0]}, and {len(problems) - 1:,} more"


class _Match(NamedTuple):
    """A name below raw/ that matches: with the stat of a regular file, or with the reason why it is none.

    `is_whole` is false for a folder on the way, whose date may not be known yet.
    """

    name: str
    parts: Mapping[str, str]
    status: os.stat_result | None = None
    problem: str = ""
    is_whole: bool = True


class _Search:
    """The walk through raw/: every folder is listed once, every match is stat'ed once."""

    def __init__(self, raw: Path, source: Source) -> None:
        self._raw, self._source, self._files = str(raw), source.name, source.files
        self._segments = file_pattern(source.files).segments
        # a marker may match the source's own wildcards
        is_beside, is_wild = source.marker.startswith(FILE), file_pattern(source.files).is_wild
        self._marker_end = source.marker.removeprefix(FILE) if is_beside and is_wild else ""
        self._marker = file_pattern(source.marker) if source.marker and is_wild and not is_beside else None

    def matches(self) -> Iterator[_Match]:
        """Yield what matches; a marker does not."""
        return self._below("", 0, {})

    def _below(self, folder: str, depth: int, before: Mapping[str, str]) -> Iterator[_Match]:
        segment = self._segments[depth]
        is_last = depth == len(self._segments) - 1
        for name in [segment.text] if segment.regex is None else self._names(folder):
            parts = segment.match(name, before)
            if parts is None:
                if segment.nearly(name):
                    problem = f"{f'{folder}{name}'!r} does not write its date as {self._files} says"
                    yield _Match(f"{folder}{name}", {}, problem=problem, is_whole=False)
                continue
            match = self._match(f"{folder}{name}", parts, is_last)
            if match.problem and not is_last and segment.regex is None:
                # nothing below it can be told, and nothing of it must seem to be gone
                raise DeliveryError(f"{match.problem}: every delivery of {self._source} is below it.")
            if match.problem or (is_last and match.status is not None):
                if not (is_last and self._is_passed_over(match, segment)):
                    yield match
            elif match.status is not None:
                yield from self._below(f"{folder}{name}/", depth + 1, parts)

    def _match(self, name: str, parts: Mapping[str, str], is_last: bool) -> _Match:
        path = f"{self._raw}/{name}"
        try:
            status = os.lstat(path)
            is_out = stat.S_ISLNK(status.st_mode) and not self._is_inside(path)
            status = os.stat(path) if stat.S_ISLNK(status.st_mode) and not is_out else status
        except OSError as error:
            return _Match(name, parts, problem=self._failure(name, path, error), is_whole=is_last)
        problem = _unfit_name(name) if is_last else ""
        if is_out:
            problem = f"{name!r} is a link that leads out of data/raw, which is not followed"
        elif is_last and not problem and not stat.S_ISREG(status.st_mode):
            problem = f"{name!r} is {_kind(status.st_mode)}, not a file"
        if not is_last and not problem and not stat.S_ISDIR(status.st_mode):
            return _Match(name, parts)
        return _Match(name, parts, status, problem, is_last)

    def _failure(self, name: str, path: str, error: OSError) -> str:
        if os.path.islink(path):
            return f"{name!r} is a link that leads nowhere"
        return "" if isinstance(error, FileNotFoundError | NotADirectoryError) else f"{name!r}: {error.strerror}"

    def _is_passed_over(self, match: _Match, segment: Segment) -> bool:
        """Return whether a match is no delivery: a marker, or a folder among the files of a wildcard."""
        if self._marker_end and match.name.endswith(self._marker_end):
            return True
        if self._marker and self._marker.matches(match.name):
            return True
        return bool(segment.is_wild and match.status and stat.S_ISDIR(match.status.st_mode))

    def _is_inside(self, path: str) -> bool:
        root = os.path.realpath(self._raw)
        return os.path.realpath(path).startswith(f"{root}/")

    def _names(self, folder: str) -> list[str]:
        try:
            return sorted(os.listdir(f"{self._raw}/{folder}"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise DeliveryError(
                f"the folder {self._raw}/{folder} cannot be listed: {error.strerror}. Fix its permissions or "
                "the disk; until then nobody can tell what was delivered."
            ) from error


def _unfit_name(name: str) -> str:
    """Return why a name cannot be that of a delivery: it ends up in logs, tables and JSON."""
    if name.isprintable() or not _UNFIT.search(name):
        return ""
    return f"{name!r} is a name with a character that is no text; have it named otherwise"


def _kind(mode: int) -> str:
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    return next((kind for is_kind, kind in kinds.items() if is_kind(mode)), "a device")
