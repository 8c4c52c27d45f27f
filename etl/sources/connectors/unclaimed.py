"""Files below data/raw that no source takes: nobody misses a delivery whose name nobody thought of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from etl.sources.connectors.connector import Connector
from etl.sources.connectors.pattern import is_unfinished


def unclaimed(raw: Path, connectors: Iterable[Connector]) -> list[str]:
    """Return the names below data/raw, sorted, that are no delivery and no marker of any source.

    Hidden files and those under way, such as `x.csv.part`, are left out. No file is read.
    """
    known = list(connectors)
    return sorted(name for name in _names(raw, "") if not any(connector.claims(name) for connector in known))


def _names(raw: Path, folder: str) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(raw / folder), key=lambda entry: entry.name)
    except OSError:
        # the run says which folder it cannot list, and why
        return
    for entry in entries:
        if is_unfinished(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _names(raw, f"{folder}{entry.name}/")
        else:
            yield f"{folder}{entry.name}"
