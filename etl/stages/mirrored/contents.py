"""What is sent of a generation: its files, those of the lake that it was made of, and their manifest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.ledger import Key, Ledger, stamp
from etl.project import Project
from etl.project.files import sha256
from etl.stages.published import FILE, read_record
from etl.stages.published.artefacts import read_artefacts
from etl.stages.published.manifest import read_manifest
from etl.stages.published.raw_files import read_raw
from etl.stages.published.record import Generation, record_file
from etl.stages.published.switching import LAKE

OBJECTS, GENERATIONS = "objects", "generations"
#: The layout of what is sent; a later one that readers cannot follow has another number.
FORMAT = 1
#: What the ledger's cache keeps: the hash of each file that was sent.
_HASHES = "mirror hashes"


@dataclass(frozen=True)
class Sent:
    """A file as it is sent: where it is here, and how the mirror calls it."""

    path: Path
    sha256: str
    bytes: int

    @property
    def object(self) -> str:
        """Its name in the mirror."""
        return f"{OBJECTS}/{self.sha256}{self.path.suffix}"

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {"object": self.object, "sha256": self.sha256, "bytes": self.bytes}


def manifest_name(generation: str) -> str:
    """Return the name that the manifest of a generation has in the mirror."""
    return f"{GENERATIONS}/{generation}/generation.json"


class Hashes:
    """The hashes of files that never change once they are written; the ledger keeps them for the next push."""

    def __init__(self, project: Project, ledger: Ledger, cache: str = _HASHES) -> None:
        """`cache` is what the ledger's cache calls them."""
        self._data, self._ledger, self._cache = project.data, ledger, cache
        self._known: dict[str, list[Any]] = json.loads(ledger.cached(cache, "") or "{}")
        # a file that generations share is read once
        self._same = {tuple(now): found for now, found in self._known.values()}
        self._used: dict[str, list[Any]] = {}

    def sent(self, path: Path) -> Sent:
        """Return a file as it is sent. Raises FileNotFoundError if it was deleted meanwhile."""
        name, now = os.path.relpath(path, self._data), stamp(path)
        known = self._known.get(name)
        found = known[1] if known and known[0] == now else self._same.get(tuple(now)) or sha256(path)
        self._used[name] = [now, found]
        return Sent(path, found, path.stat().st_size)

    def keep(self) -> None:
        """Keep those that were asked for, for the next push."""
        if self._used != self._known:
            self._ledger.cache(self._cache, "", json.dumps(self._used))


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A generation as it is sent."""

    generation: str
    files: Mapping[str, Sent]
    lake: Mapping[str, Mapping[str, Sent]]
    exports: Mapping[str, list[str]]
    facts: Mapping[str, Any]

    @property
    def all(self) -> Iterator[Sent]:
        """All files, those of the lake too."""
        yield from self.files.values()
        for days in self.lake.values():
            yield from days.values()

    @property
    def manifest(self) -> dict[str, Any]:
        """What the mirror says of it: its files by path, its exports by table, and the lake by source and date."""
        return {
            "format": FORMAT,
            **self.facts,
            "warehouse": self.files[FILE].object,
            "exports": {
                table: [self.files[name].object for name in names] for table, names in self.exports.items()
            },
            "files": {name: file.facts for name, file in self.files.items()},
            "lake": {
                source: {day: file.facts for day, file in days.items()} for source, days in self.lake.items()
            },
        }


def contents(project: Project, ledger: Ledger, generation: str, hashes: Hashes) -> Contents:
    """Return what is sent of a generation. Raises FileNotFoundError if it is deleted meanwhile."""
    folder, record = project.generations / generation, read_record(project.generations / generation)
    exports = {
        table: [f"{LAKE}/{table.replace('.', '/')}/{name}" for name in sorted(exported.files)]
        for table, exported in read_manifest(folder).items()
    }
    names = [FILE, *(name for names in exports.values() for name in names)]
    names += [record_file(folder).name] if record else []
    names += [*read_artefacts(folder), *read_raw(folder)]
    return Contents(
        generation=generation,
        files={name: hashes.sent(folder / name) for name in names},
        lake=_lake(project, ledger, record, hashes) if record and project.settings.mirror_lake == "yes" else {},
        exports=exports,
        facts=_facts(generation, record),
    )


def _facts(generation: str, record: Generation | None) -> dict[str, Any]:
    if record is None:
        return {"generation": generation}
    return {
        "generation": generation,
        "published_at": record.published_at,
        "batch_date": record.batch_date,
        "git_commit": record.git_commit,
    }


def _lake(project: Project, ledger: Ledger, record: Generation, hashes: Hashes) -> dict[str, dict[str, Sent]]:
    """Return the partitions that a generation was made of, as far as the lake still has them as they were then."""
    found: dict[str, dict[str, Sent]] = {}
    receipts = ledger.receipts()
    for source, days in record.inputs.items():
        there = _partitions(project.lake / source)
        for day, item in days.items():
            receipt, path = receipts.get(Key("extract", source, day)), there.get(day)
            if receipt is None or path is None or receipt.fingerprint != item.fingerprint:
                continue
            if stamp(path) == receipt.details.get("lake"):
                found.setdefault(source, {})[day] = hashes.sent(path)
    return found


def _partitions(folder: Path) -> dict[str, Path]:
    """Return the file of each partition of a source, by its date."""
    names = os.listdir(folder) if folder.is_dir() else []
    return {name.rpartition("=")[2]: folder / name / "data.parquet" for name in names if "=" in name}
