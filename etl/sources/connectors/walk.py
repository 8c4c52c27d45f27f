"""The walk through raw/: names and stats of what matches a path; it reads no file, and changes nothing."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from etl.errors import DeliveryError
from etl.sources.connectors.connector import File, Known, state_of
from etl.sources.connectors.pattern import FILE, Segment, file_pattern

#: Control characters, line ends, and bytes that are no UTF-8.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Match(NamedTuple):
    """A name below raw/ that matches: with the stat of a regular file, or with the reason why it is none.

    `is_whole` is false for a folder on the way, whose date may not be known yet.
    """

    name: str
    parts: Mapping[str, str]
    status: os.stat_result | None = None
    problem: str = ""
    is_whole: bool = True

    def file(self, raw: Path) -> File:
        """Return the file that it is; it has a stat."""
        assert self.status
        size, changed_ns, inode = state_of(self.status)
        return File(self.name, raw / self.name, size, changed_ns, inode=inode)


class Walk:
    """The walk through raw/: every folder is listed once, every match is stat'ed once."""

    def __init__(self, raw: Path, source: str, files: str, marker: str) -> None:
        self._raw, self._source, self._files = str(raw), source, files
        self._segments = file_pattern(files).segments
        # a marker may match the source's own wildcards
        is_beside, is_wild = marker.startswith(FILE), file_pattern(files).is_wild
        self._marker_end = marker.removeprefix(FILE) if is_beside and is_wild else ""
        self._marker = file_pattern(marker) if marker and is_wild and not is_beside else None
        self._known = Known()

    def matches(self, known: Known) -> Iterator[Match]:
        """Yield what matches and is not as it is known; a marker does not."""
        self._known = known
        return self._below("", 0, {})

    def watched(self, folder: str = "", depth: int = 0) -> tuple[frozenset[str], frozenset[str]]:
        """Return the folders that a walk lists, from one of them down, and the paths that it looks for by name."""
        segment = self._segments[depth]
        is_last = depth == len(self._segments) - 1
        names = [segment.text] if segment.regex is None else [] if is_last else self._names(folder)
        below = [name for name in names if segment.regex is None or segment.regex.fullmatch(name)]
        found = [] if is_last else [self.watched(f"{folder}{name}/", depth + 1) for name in below]
        folders = [] if segment.regex is None else [folder.rstrip("/")]
        paths = [f"{folder}{segment.text}"] if segment.regex is None else []
        return frozenset(folders).union(*(f for f, _ in found)), frozenset(paths).union(*(p for _, p in found))

    def _below(self, folder: str, depth: int, before: Mapping[str, str]) -> Iterator[Match]:
        segment = self._segments[depth]
        is_last = depth == len(self._segments) - 1
        names = [segment.text] if segment.regex is None else self._names(folder)
        for name in self._changed(folder, names) if is_last and self._known.stamps else names:
            parts = segment.match(name, before)
            if parts is None:
                if segment.nearly(name):
                    problem = f"{f'{folder}{name}'!r} does not write its date as {self._files} says"
                    yield Match(f"{folder}{name}", {}, problem=problem, is_whole=False)
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

    def _changed(self, folder: str, names: list[str]) -> Iterator[str]:
        """Yield the names in a folder that are not those of regular files as they are known; note these."""
        stamps, as_known = self._known.stamps, self._known.as_known
        for name in names:
            known = stamps.get(f"{folder}{name}")
            if known is not None and known == _regular(f"{self._raw}/{folder}{name}"):
                as_known.append(f"{folder}{name}")
            else:
                yield name

    def _match(self, name: str, parts: Mapping[str, str], is_last: bool) -> Match:
        path = f"{self._raw}/{name}"
        try:
            status = os.lstat(path)
            is_out = stat.S_ISLNK(status.st_mode) and not self._is_inside(path)
            status = os.stat(path) if stat.S_ISLNK(status.st_mode) and not is_out else status
        except OSError as error:
            return Match(name, parts, problem=self._failure(name, path, error), is_whole=is_last)
        problem = _unfit_name(name) if is_last else ""
        if is_out:
            problem = f"{name!r} is a link that leads out of data/raw, which is not followed"
        elif is_last and not problem and not stat.S_ISREG(status.st_mode):
            problem = f"{name!r} is {_kind(status.st_mode)}, not a file"
        if not is_last and not problem and not stat.S_ISDIR(status.st_mode):
            return Match(name, parts)
        return Match(name, parts, status, problem, is_last)

    def _failure(self, name: str, path: str, error: OSError) -> str:
        if os.path.islink(path):
            return f"{name!r} is a link that leads nowhere"
        return "" if isinstance(error, FileNotFoundError | NotADirectoryError) else f"{name!r}: {error.strerror}"

    def _is_passed_over(self, match: Match, segment: Segment) -> bool:
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
                f"The folder {self._raw}/{folder} cannot be listed: {error.strerror}. Fix its permissions or "
                "the disk. Until then it is not known what was delivered."
            ) from error


def _regular(path: str) -> tuple[int, int, int] | None:
    """Return the state of a regular file; None of anything else."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return state_of(status) if stat.S_ISREG(status.st_mode) else None


def _unfit_name(name: str) -> str:
    """Return why a name cannot be that of a delivery: it ends up in logs, tables and JSON."""
    if name.isprintable() or not _UNFIT.search(name):
        return ""
    return f"{name!r} is a name with a character that is not text. Have the file renamed"


def _kind(mode: int) -> str:
    kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
    return next((kind for is_kind, kind in kinds.items() if is_kind(mode)), "a device")
