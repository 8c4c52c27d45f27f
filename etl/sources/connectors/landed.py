"""Landed: deliveries that etl has fetched itself, and put below data/fetched."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from etl.errors import ContractError, DeliveryError
from etl.sources.connectors.connector import File, Known, Seen, Watched, state_of
from etl.sources.connectors.pattern import file_pattern, is_unfinished
from etl.sources.fetches.fetch import MODES

#: What follows the name of a fetched file in that of the manifest beside it, where the file cannot hold its own.
MANIFEST = ".manifest.json"
#: What follows the time in the name of a file that holds only what was new: it never stands for all there is.
PART = "-part"
#: The name of a landed file: the time of the fetch.
_NAME = re.compile(rf"(\d{{8}}T)?(\d{{6,}})({PART})?(\.parquet|\.jsonl\.zst)")
_STAMP = re.compile(r"\d{8}T\d{6,}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class LandedFile(NamedTuple):
    """A fetched file: the date of its folder, when it was fetched (as text that sorts), and its own name."""

    day: date
    stamp: str
    name: str
    #: The path below data/fetched.
    path: str
    #: Why it cannot be taken; empty if it can.
    problem: str = ""


@dataclass(frozen=True)
class Landed:
    """Files below data/fetched: `<source>/<date>/<time>.parquet` or `.jsonl.zst`, or copies under their own names.

    `Source(fetch=...)` makes it; nobody writes it.
    """

    # Name of the source, that of its folder.
    source: str
    # How deliveries come: `full`, `cursor`, `date` or `copies`.
    mode: str
    _: KW_ONLY
    # Which copies are taken, such as `sales/{date}.csv`. Empty for files without a name of their own.
    files: str = ""

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ContractError(f"Source({self.named}): mode={self.mode!r} is not one of {', '.join(MODES)}.")
        if (self.mode == "copies") != bool(self.files):
            raise ContractError(f"Source({self.named}): files are for copies, and copies need files.")
        try:
            file_pattern(self.files or "any")
        except ValueError as error:
            raise ContractError(f"Source(files={self.files!r}) {error}.") from None

    @property
    def named(self) -> str:
        """What messages call it."""
        return f"fetched={self.place!r}"

    @property
    def place(self) -> str:
        """The path below data/fetched, with its date."""
        return f"{self.source}/{{date}}/{self.files or '*'}"

    @property
    def is_dated(self) -> bool:
        """Whether each delivery is that of a date."""
        if self.mode == "copies":
            return file_pattern(self.files).date_format != ""
        return self.mode != "full"

    @property
    def period(self) -> str:
        """The time that each date stands for."""
        if self.mode == "copies":
            return file_pattern(self.files).period
        return "day" if self.is_dated else ""

    @property
    def same_content(self) -> str:
        """What becomes of content that came before: it is taken like any other."""
        return "allow"

    @property
    def definition(self) -> Mapping[str, Any]:
        """What decides what becomes of a file."""
        return {"fetched": self.mode, "files": self.files}

    def at_once(self) -> Landed:
        """Return the same: nothing is there that is not complete."""
        return self

    def where(self, day: date) -> str:
        """Return a path at which a delivery of a date would be looked for."""
        if self.mode == "copies":
            return f"{self.source}/{day}/{day:%Y%m%d}T000000/{file_pattern(self.files).path(day)}"
        return f"{self.source}/{day}/000000.parquet"

    def claims(self, name: str) -> bool:
        """Return whether a name below data/fetched is that of a delivery, or of the manifest of one."""
        source, _, rest = name.removesuffix(MANIFEST).partition("/")
        day, _, own = rest.partition("/")
        return source == self.source and bool(_DAY.fullmatch(day)) and self._parts(own) is not None

    def look(self, raw: Path, source: str, batch_date: date, now_ns: int, known: Known) -> Iterator[Seen]:
        """Yield the files that count: all of a cursor; else the newest, of a date, or of a name."""
        newest: dict[tuple[date, str], LandedFile] = {}
        for found in sorted(self.landed(raw), key=lambda found: found.stamp):
            if not self.is_dated and (found.day > batch_date or f"{PART}." in found.path):
                continue
            day = self._day(found) if self.is_dated else batch_date
            if day is None:
                yield Seen(None, None, f"{found.path!r} has a date that does not exist")
                continue
            newest[day, found.path if self.mode == "cursor" else found.name] = found
        for (day, _), found in newest.items():
            yield Seen(day, None, found.problem) if found.problem else _seen(raw, day, found)

    def landed(self, raw: Path) -> Iterator[LandedFile]:
        """Yield all fetched files, also those that newer ones have replaced, without order."""
        for folder in _listed(raw / self.source):
            if not _DAY.fullmatch(folder.name) or not folder.is_dir():
                continue
            try:
                day = date.fromisoformat(folder.name)
            except ValueError:
                continue
            yield from self._of_day(raw, day, folder.path, "")

    def watched(self, raw: Path, days: Collection[date], *, is_waiting: bool) -> Watched | None:
        """Return the folders that hold fetched files; None while there are copies, whose folders are many."""
        if self.mode == "copies":
            return None
        folders = {entry.name for entry in _listed(raw / self.source) if _DAY.fullmatch(entry.name)}
        if not (raw / self.source).is_dir():
            return Watched(frozenset(), frozenset([self.source]))
        return Watched(frozenset([self.source, *(f"{self.source}/{name}" for name in folders)]), frozenset())

    def _of_day(self, raw: Path, day: date, folder: str, below: str) -> Iterator[LandedFile]:
        for entry in _listed(Path(folder)):
            own = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if self.mode == "copies" and (below or _STAMP.fullmatch(entry.name)):
                    yield from self._of_day(raw, day, entry.path, f"{own}/")
            elif not own.endswith(MANIFEST) and (parts := self._parts(own)):
                stamp, name = parts
                path = f"{self.source}/{day}/{own}"
                stamp = stamp if "T" in stamp else f"{day:%Y%m%d}T{stamp}"
                is_file = entry.is_file(follow_symlinks=False)
                yield LandedFile(day, stamp, name, path, "" if is_file else f"{path!r} is not a file")

    def _parts(self, own: str) -> tuple[str, str] | None:
        """Return when a file was fetched and its own name, by its path in the folder of a date; else None."""
        if self.mode == "copies":
            stamp, _, name = own.partition("/")
            is_one = _STAMP.fullmatch(stamp) and not is_unfinished(own) and file_pattern(self.files).matches(name)
            return (stamp, name) if is_one else None
        found = _NAME.fullmatch(own)
        return (f"{found[1] or ''}{found[2]}", "") if found else None

    def _day(self, found: LandedFile) -> date | None:
        return found.day if self.mode != "copies" else file_pattern(self.files).day(found.name)


def _seen(raw: Path, day: date, found: LandedFile) -> Seen:
    try:
        status = os.lstat(raw / found.path)
    except OSError as error:
        return Seen(day, None, f"{found.path!r}: {error.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return Seen(day, None, f"{found.path!r} is not a file")
    size, changed_ns, inode = state_of(status)
    return Seen(day, File(found.path, raw / found.path, size, changed_ns, inode=inode))


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DeliveryError(
            f"The folder {folder} cannot be listed: {error.strerror}. Fix its permissions or the disk. Until then "
            "it is not known what was fetched."
        ) from error
