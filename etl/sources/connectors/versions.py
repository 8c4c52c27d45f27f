"""Files that replace each other: of those that differ in their version alone the newest is the delivery's."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

from etl.sources.connectors.connector import File, Seen
from etl.sources.connectors.pattern import FilePattern

_DIGITS = re.compile(r"([0-9]+)")


def newest_versions(pattern: FilePattern, seen: Iterable[Seen]) -> Iterator[Seen]:
    """Yield of files that differ in their version alone the newest, and of the others that it replaces them.

    Two that are equally new make a problem of their date. What is no file stays as it is.
    """
    versions: dict[tuple[date, str], list[File]] = defaultdict(list)
    for each in seen:
        if each.day is None or each.file is None:
            yield each
        else:
            versions[each.day, pattern.version(each.file.name)[0]].append(each.file)
    for (day, _), files in versions.items():
        *older, newest = sorted(files, key=lambda file: _order(pattern.version(file.name)[1]))
        yield Seen(day, newest)
        for file in older:
            if _order(pattern.version(file.name)[1]) == _order(pattern.version(newest.name)[1]):
                yield Seen(day, None, f"{file.name} and {newest.name} have the same version. Take one away")
            else:
                yield Seen(None, None, f"{file.name!r} is replaced by {newest.name!r}")


def _order(version: str) -> list[str | int]:
    """Return what versions are compared by: numbers by their value, all else by its characters."""
    return [int(part) if place % 2 else part for place, part in enumerate(_DIGITS.split(version))]
