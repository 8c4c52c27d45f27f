"""Files: deliveries that a sender puts into data/raw."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from etl.errors import ContractError
from etl.sources.connectors.connector import File, Known, Seen, Watched
from etl.sources.connectors.pattern import FILE, FilePattern, day_of, file_pattern
from etl.sources.connectors.versions import newest_versions
from etl.sources.connectors.walk import Walk

#: What a file with the content of another one can be.
SAME = ("warn", "refuse", "allow")


@dataclass(frozen=True)
class Files:
    """Files below data/raw.

        Files("sales/{date}.csv")                               one file a day
        Files("sales/{date}/*.csv", marker="sales/{date}/_SUCCESS")     several, complete when the marker is there
        Files("sales/{date:%Y-%m}_{version}.csv")               one a month, of which a later version may come
        Files("customers.csv", settle_seconds=60)               a snapshot, once it has not changed for a minute

    A comment above each option says what it does; a wrong one is a ContractError.
    """

    # Path below `data/raw`. With `{date}` in it the source is dated; `*` and `?` match within one name. Of files
    # that differ in `{version}` alone the newest counts.
    path: str
    _: KW_ONLY
    # File that says a delivery is complete: a path with the same `{date}`, or `{file}.done` beside each file.
    marker: str = ""
    # A file that changed less than so many seconds ago does not count yet.
    settle_seconds: float = 0
    # Content of an earlier date, or of another file of the same date. `warn`: the former is taken, the latter
    # left out, and both are said. `refuse`: it is an error. `allow`: it is taken like any other.
    same_content: str = "warn"

    def __post_init__(self) -> None:
        self._pattern("files", self.path)
        self._check_marker()
        if not 0 <= self.settle_seconds < float("inf"):
            raise ContractError(f"Source({self.named}): settle_seconds is a number of seconds, 0 or more.")
        if self.same_content not in SAME:
            raise ContractError(
                f"Source({self.named}): same_content={self.same_content!r} is not one of {', '.join(SAME)}."
            )

    @property
    def named(self) -> str:
        """What messages call it."""
        return f"files={self.path!r}"

    @property
    def place(self) -> str:
        """The path below data/raw, with its date and wildcards."""
        return self.path

    @property
    def is_dated(self) -> bool:
        """Whether the path has a date."""
        return file_pattern(self.path).date_format != ""

    @property
    def period(self) -> str:
        """The time that each date in the path stands for, such as a month."""
        return file_pattern(self.path).period

    @property
    def definition(self) -> Mapping[str, Any]:
        """What decides what becomes of a file; when it counts is no part of it."""
        return {"files": self.path, "same_content": self.same_content}

    def at_once(self) -> Files:
        """Return the same without marker, and however young a file is."""
        return replace(self, marker="", settle_seconds=0)

    def where(self, day: date) -> str:
        """Return the path of one date; with the wildcards, if there are any."""
        return file_pattern(self.path).path(day)

    def claims(self, name: str) -> bool:
        """Return whether a name is one that the path or the marker matches."""
        if self.marker.startswith(FILE):
            return any(
                file_pattern(self.path).matches(n) for n in (name, name.removesuffix(self.marker[len(FILE) :]))
            )
        return any(file_pattern(path).matches(name) for path in (self.path, self.marker) if path)

    def look(self, raw: Path, source: str, batch_date: date, now_ns: int, known: Known) -> Iterator[Seen]:
        """Yield the files and what is wrong with others; then why those of a date are not complete, if so.

        A name that has the shape of a delivery but no possible date, such as 2013-02-30 or 2013-2-3, is not one.
        """
        files: dict[date, list[File]] = defaultdict(list)
        pattern = file_pattern(self.path)
        is_whole = not (pattern.is_wild or self.marker or self.settle_seconds)
        seen = self._matched(raw, source, batch_date, known if is_whole and self.is_dated else Known())
        for each in newest_versions(pattern, seen) if pattern.has_version else seen:
            yield each
            if each.day and each.file:
                files[each.day].append(each.file)
        if self.marker or self.settle_seconds:
            for day, found in files.items():
                yield from (Seen(day, None, problem) for problem in self._unfinished(raw, day, found, now_ns))

    def _matched(self, raw: Path, source: str, batch_date: date, known: Known) -> Iterator[Seen]:
        """Yield the files of every version, and what is wrong with others."""
        is_dated = self.is_dated
        for match in Walk(raw, source, self.path, self.marker).matches(known):
            day = day_of(match.parts) if is_dated else batch_date
            if day is None and match.problem and not match.is_whole:
                yield Seen(None, None, match.problem)
            elif day is None and match.status is not None:
                yield Seen(None, None, f"{match.name!r} has a date that does not exist")
            elif day is not None and match.problem:
                yield Seen(day, None, match.problem)
            elif day is not None and match.status is not None:
                yield Seen(day, match.file(raw))

    def watched(self, raw: Path, days: Collection[date], *, is_waiting: bool) -> Watched | None:
        """Return the folders and paths that a walk goes by, and the markers; None while a file settles."""
        if self.settle_seconds and is_waiting:
            return None
        folders, paths = Walk(raw, "", self.path, self.marker).watched()
        if self.marker.startswith(FILE):
            paths |= {self.marker.replace(FILE, path) for path in paths}
        elif self.marker:
            paths |= {file_pattern(self.marker).path(day) for day in days or [date.min]}
        return Watched(folders, frozenset(path for path in paths if os.path.dirname(path) not in folders))

    def _unfinished(self, raw: Path, day: date, files: list[File], now_ns: int) -> Iterator[str]:
        """Yield why the files of one delivery are not complete, if they are not."""
        is_beside = self.marker.startswith(FILE)
        if self.marker and not is_beside:
            marker = file_pattern(self.marker).path(day)
            if not (raw / marker).exists():
                yield f"no {marker}"
        for file in files:
            if is_beside and not (raw / self.marker.replace(FILE, file.name)).exists():
                yield f"no {self.marker.replace(FILE, file.name)}"
            if self.settle_seconds and now_ns - file.changed_ns < self.settle_seconds * 1e9:
                at = datetime.fromtimestamp(file.changed_ns / 1e9, UTC)
                setting = f"settle_seconds is {self.settle_seconds:g}"
                yield f"{file.name} was changed at {at:%Y-%m-%d %H:%M:%S}Z, and {setting}"

    def _check_marker(self) -> None:
        if not self.marker:
            return
        marker = self._pattern("marker", self.marker.replace(FILE, "file"))
        is_beside = self.marker.startswith(FILE) and len(marker.segments) == 1 and not marker.date_format
        if marker.is_wild or self.marker == FILE or (FILE in self.marker and not is_beside):
            raise ContractError(
                f"Source(marker={self.marker!r}) is neither a path without wildcards, such as "
                "orders/{date}/_SUCCESS, nor an ending of each file's own name, such as {file}.done."
            )
        if not is_beside and (marker.date_format != "") != self.is_dated:
            raise ContractError(
                f"Source(marker={self.marker!r}) needs {{date}} if, and only if, {self.named} has it."
            )

    @staticmethod
    def _pattern(option: str, path: str) -> FilePattern:
        try:
            return file_pattern(path)
        except ValueError as error:
            raise ContractError(f"Source({option}={path!r}) {error}.") from None
