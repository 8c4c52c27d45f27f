"""raw: find what was delivered. It reads names and stats; it never writes, renames or deletes here."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from etl.contract.source import DATE, Source


@dataclass(frozen=True)
class Delivery:
    """One raw file: the partition `date` of `source`. `file` is its path below data/raw."""

    source: str
    date: date
    file: str
    path: Path
    size: int
    #: The later of content and metadata change: an mtime alone can be set back.
    changed_ns: int
    inode: int
    sha256: str = ""

    @property
    def stat_key(self) -> tuple[str, int, int, int]:
        """What stays the same while the file's content does."""
        return (self.file, self.size, self.changed_ns, self.inode)


def find(source: Source, raw: Path, batch_date: date) -> dict[date, Delivery]:
    """Return the deliveries of a source by partition; a snapshot's is that of the batch date.

    A name that has the shape of a delivery but no possible date, such as 2013-02-30, is no delivery.
    """
    found = {}
    for path, text in _matches(raw, source.files.split("/")):
        day = _date(text) if source.is_dated else batch_date
        if day is not None:
            found[day] = Delivery(source.name, day, path.relative_to(raw).as_posix(), path, *state(path))
    return dict(sorted(found.items()))


def state(path: Path) -> tuple[int, int, int]:
    """Return size, time of the last change and inode of a raw file."""
    status = path.stat()
    return status.st_size, max(status.st_mtime_ns, status.st_ctime_ns), status.st_ino


def sha256(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _matches(folder: Path, parts: list[str]) -> Iterator[tuple[Path, str]]:
    """Yield the files below `folder` whose path matches, with the text in place of {date}."""
    head, rest = parts[0], parts[1:]
    if DATE not in head:
        yield from _descend(folder / head, rest, "")
        return
    pattern = re.compile(re.escape(head).replace(re.escape(DATE), r"(\d{4}-\d{2}-\d{2})"))
    if folder.is_dir():
        for name in sorted(os.listdir(folder)):
            if match := pattern.fullmatch(name):
                yield from _descend(folder / name, rest, match[1])


def _descend(path: Path, rest: list[str], text: str) -> Iterator[tuple[Path, str]]:
    if rest:
        yield from ((found, inner or text) for found, inner in _matches(path, rest))
    elif path.is_file():
        yield path, text


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
