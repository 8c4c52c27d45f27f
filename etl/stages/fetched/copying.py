"""Copying: which files of a folder elsewhere are new, changed and complete, for every kind that lists one."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from etl.errors import FetchError
from etl.sources.connectors.landed import Landed
from etl.sources.connectors.pattern import FILE, FilePattern, file_pattern
from etl.sources.fetches.copies import Copies
from etl.stages.fetched.asked import Asked
from etl.stages.fetched.landing import Landing, check_name
from etl.stages.fetched.manifest import Manifest
from etl.stages.fetched.writers import CopyWriter

#: So many bytes are asked for at once; after each it is noted how far it came.
PART_BYTES = 8 << 20
#: How often what broke off, or was changed meanwhile, is asked for again at once.
TRIES = 5
#: What was changed so shortly before it was copied may have changed again with the same time.
_CLOCK_SECONDS = 2
#: So many files are named in one note.
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A file elsewhere: its name below the folder that is asked, and what tells whether it has changed."""

    key: str
    name: str
    size: int
    #: UTC; None if the other side does not say.
    modified: datetime | None = None
    #: What the other side says of its content; empty if nothing.
    etag: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest keeps of it."""
        at = self.modified.isoformat() if self.modified else ""
        return {"key": self.key, "size": self.size, "etag": self.etag, "modified": at}

    def is_as(self, known: Manifest) -> bool:
        """Return whether it is what was copied already."""
        more = known.more
        if more.get("size") != self.size:
            return False
        if self.etag and more.get("etag"):
            return bool(more["etag"] == self.etag)
        if self.modified is None or more.get("modified") != self.modified.isoformat():
            return False
        return self.modified < datetime.fromisoformat(known.started_at) - timedelta(seconds=_CLOCK_SECONDS)


def pattern_of(landing: Landing) -> FilePattern:
    """Return which files are copied."""
    assert isinstance(landing.source.connector, Landed)
    return file_pattern(landing.source.connector.files)


def folder_of(asked: Asked, landing: Landing) -> str:
    """Return the folder below the one that is asked in which all files and markers lie; or an empty text."""
    of = cast("Copies", asked.fetch)
    patterns = [pattern_of(landing)]
    if of.marker and not of.marker.startswith(FILE):
        patterns.append(file_pattern(of.marker))
    common: list[str] = []
    for names in zip(*map(_plain, patterns), strict=False):
        if len(set(names)) > 1:
            break
        common.append(names[0])
    return "/".join(common)


def _plain(pattern: FilePattern) -> list[str]:
    """Return the first folders of a pattern that have neither date nor wildcard."""
    found: list[str] = []
    for segment in pattern.segments[:-1]:
        if segment.regex is not None:
            break
        found.append(segment.text)
    return found


def wanted(asked: Asked, landing: Landing, listed: Iterable[Remote]) -> tuple[list[Remote], list[str]]:
    """Return the files to copy, and notes about those that are left out."""
    pattern, names = pattern_of(landing), set()
    found: dict[date | None, dict[str, Remote]] = defaultdict(dict)
    unfit: list[str] = []
    nearly: list[str] = []
    for one in listed:
        names.add(one.name)
        if {"", ".", ".."} & set(one.name.rstrip("/").split("/")):
            unfit.append(one.name)
        elif not pattern.matches(one.name):
            nearly += [one.name] if pattern.nearly(one.name) else []
        elif not _is_name(one.name):
            unfit.append(one.name)
        else:
            found[pattern.day(one.name)][one.name] = one
    known = landing.copies()
    chosen: list[Remote] = []
    notes = [_note("no file can have the name", unfit), _note("the date is not written as declared:", nearly)]
    for day, by_name in found.items():
        files = list(by_name.values())
        new = [one for one in files if _is_wanted(asked, one, known)]
        why = next(_unfinished(asked, day, files, names), "") if new else ""
        notes.append(f"left out, since it is not complete: {why}" if why else "")
        chosen += [] if why else new
    return sorted(chosen, key=lambda one: one.name), list(filter(None, notes))


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except FetchError:
        return False
    return True


def _is_wanted(asked: Asked, one: Remote, known: Mapping[str, Manifest]) -> bool:
    """Return whether a file is new or has changed, or is asked for again."""
    before = known.get(one.name)
    if asked.full or before is None:
        return asked.full or not known or not _is_past(asked, one)
    return _is_since(asked, one) or not one.is_as(before)


def _is_past(asked: Asked, one: Remote) -> bool:
    """Return whether a file is older than what is kept: it was deleted here, and does not come again."""
    days = asked.fetch.keep_days
    return bool(days and one.modified and one.modified.date() < asked.day - timedelta(days))


def _is_since(asked: Asked, one: Remote) -> bool:
    """Return whether a file was changed since the moment from which on all are asked for again."""
    if asked.since is None:
        return False
    try:
        since = datetime.fromisoformat(asked.since)
    except ValueError:
        raise FetchError(f"{asked.since!r} is not a date or a time such as 2024-03-31.") from None
    return one.modified is None or one.modified >= (since if since.tzinfo else since.replace(tzinfo=UTC))


def _unfinished(asked: Asked, day: date | None, files: Sequence[Remote], names: set[str]) -> Iterator[str]:
    """Yield why the files of one delivery are not complete, if they are not."""
    of = cast("Copies", asked.fetch)
    is_beside = of.marker.startswith(FILE)
    if of.marker and not is_beside:
        marker = file_pattern(of.marker).path(day or asked.day)
        if marker not in names:
            yield f"there is no {marker}"
    now = datetime.now(UTC)
    for one in files:
        if is_beside and of.marker.replace(FILE, one.name) not in names:
            yield f"there is no {of.marker.replace(FILE, one.name)}"
        if of.settle_seconds and one.modified and (now - one.modified).total_seconds() < of.settle_seconds:
            setting = f"settle_seconds is {of.settle_seconds:g}"
            yield f"{one.name} was changed at {one.modified:%Y-%m-%d %H:%M:%S}Z, and {setting}"


def _note(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"left out, since {what} {', '.join(map(repr, sorted(set(names))[:_NAMED]))}{more}"


def begun(landing: Landing, one: Remote) -> CopyWriter:
    """Return what writes a file; what a killed try has written stays if it is of the same content."""
    writer = landing.copy(one.name)
    if writer.state != one.facts or writer.size > one.size:
        writer.restart()
    return writer


def variable(url: str, name: str) -> str:
    """Return what an environment variable holds; nothing if no name is given. Raises FetchError without it."""
    if name and not os.environ.get(name):
        raise FetchError(f"{url} is asked with what the variable {name} holds, and it is not set. Set it.")
    return os.environ[name] if name else ""


def passing(what: str) -> FetchError:
    """Return an error that passes by itself; the text is a sentence."""
    found = FetchError(what)
    found.is_transient = True
    return found
