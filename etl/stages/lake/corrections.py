"""Corrections: what people decided about records in quarantine. Nothing can compute them: they are kept like raw/.

One file a partition, one JSON object a line; of several about one record the last counts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from functools import cache
from pathlib import Path

from etl.errors import ConfigError, sentence
from etl.project import Project
from etl.project.files import written_aside
from etl.sources import Source
from etl.sources.formats import Place

REPLACE, DISCARD = "replace", "discard"
#: The line of a decision about a file as a whole.
WHOLE_FILE = 0
#: A snapshot's partition is named for the batch date, which says nothing about its records.
_SNAPSHOT = "snapshot"


@dataclass(frozen=True, kw_only=True)
class Correction:
    """One decision: about the record on `line` of `file` whose original text has the hash `sha256`.

    With the action `replace`, `text` is read in its place; with `discard` it is left out for the `reason`. On
    line 0 it is about the whole file with that hash, and only counts if its partition is refused.
    """

    file: str
    line: int
    sha256: str
    action: str
    text: str = ""
    reason: str = ""
    by: str = ""
    at: str = ""

    @property
    def key(self) -> tuple[str, int, str]:
        """What the decision is about."""
        return (self.file, self.line, self.sha256)

    @property
    def name(self) -> str:
        """What messages call the record."""
        return f"{self.file}, line {self.line}" if self.line else f"the whole of {self.file}"


_TYPES = {field.name: int if field.name == "line" else str for field in fields(Correction)}


class Corrections:
    """The decisions about one partition; `sha256` is the hash of their file, empty if there is none."""

    def __init__(self, items: Iterable[Correction] = (), sha256: str = "") -> None:
        self.sha256 = sha256
        self._items = {item.key: item for item in items}

    def __bool__(self) -> bool:
        return bool(self._items)

    def __iter__(self) -> Iterator[Correction]:
        return iter(self._items.values())

    def about(self, file: str, place: Place) -> Correction | None:
        """Return the decision about a record as it was delivered."""
        # most files have none, and hashing every record of a refused one has its price
        return self._items.get((file, place.line, record_hash(place.text, place.raw))) if self._items else None

    def about_file(self, file: str, sha256: str) -> Correction | None:
        """Return the decision about a file as a whole."""
        return self._items.get((file, WHOLE_FILE, sha256))


def record_hash(text: str, raw: bytes | None) -> str:
    """Return the hash of a record's original text; of its bytes, where the text does not say all of them."""
    content = text.encode("utf-8", "surrogatepass") if raw is None else raw
    return hashlib.sha256(content).hexdigest()


def corrections_file(project: Project, source: Source, day: date) -> Path:
    """Return the file of the decisions about a partition; those about a snapshot's records are in one file."""
    return project.corrections / source.name / f"{day if source.is_dated else _SNAPSHOT}.jsonl"


def corrections_hash(project: Project, source: Source, days: Iterable[date]) -> dict[date, str]:
    """Return the hash of the decisions about each of the partitions that have any.

    Raises ConfigError for decisions that cannot be read: they are there, and must count.
    """
    try:
        there = set(os.listdir(project.corrections / source.name))
        files = {day: corrections_file(project, source, day) for day in days}
        return {day: _hash(file.read_bytes()) for day, file in files.items() if file.name in there}
    except OSError as error:
        if not os.path.lexists(project.corrections / source.name):
            return {}
        raise ConfigError(
            f"The decisions about {source.name} cannot be read: {sentence(str(error))} Nothing of "
            f"{source.name} is taken without them. Fix the permissions or the disk."
        ) from error


def read_corrections(file: Path) -> Corrections:
    """Return the decisions in a file, which need not exist. Raises ConfigError that names a line that is none."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return Corrections()
    lines = enumerate(content.splitlines(), 1)
    return Corrections([_correction(file, number, line) for number, line in lines if line.strip()], _hash(content))


def add_corrections(file: Path, items: Iterable[Correction], scratch: Path) -> None:
    """Add decisions to a file: all or none, whatever is killed or loses its power. The project is to be locked."""
    _add(file, (_json(asdict(item)) for item in items), scratch)


def add_decision(
    file: Path, keys: Iterable[tuple[str, int, str]], decision: Mapping[str, str], scratch: Path
) -> None:
    """Add one decision about any number of records, as add_corrections() does; `keys` are as Correction.key."""
    said = {"text": "", "reason": "", "by": "", "at": "", **decision}
    named = cache(_json)
    # of pieces of text: an object for each of a million records would cost ten times as much
    lines = (f'{{"file": {named(name)}, "line": {line}, "sha256": "{sha256}", ' for name, line, sha256 in keys)
    rest = _json(said).removeprefix("{")
    _add(file, (f"{line}{rest}" for line in lines), scratch)


def _add(file: Path, lines: Iterable[str], scratch: Path) -> None:
    read_corrections(file)
    before = file.read_bytes() if file.exists() else b""
    before += b"\n" if before and not before.endswith(b"\n") else b""
    with written_aside(file, scratch) as aside, aside.open("wb") as out:
        out.write(before)
        out.writelines(f"{line}\n".encode() for line in lines)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _correction(file: Path, number: int, line: bytes) -> Correction:
    try:
        values = json.loads(line)
        item = Correction(**values)
    except (ValueError, TypeError) as error:
        raise ConfigError(_malformed(file, number, str(error))) from None
    wrong = [name for name, type in _TYPES.items() if not isinstance(getattr(item, name), type)]
    if wrong or item.action not in (REPLACE, DISCARD) or (item.action == DISCARD and not item.reason.strip()):
        why = "it needs an action, replace or discard, and to discard a reason"
        raise ConfigError(_malformed(file, number, f"{', '.join(wrong)} has the wrong type" if wrong else why))
    return item


def _malformed(file: Path, number: int, why: str) -> str:
    said = f"{file}, line {number} is not a correction: {sentence(why)}"
    return f"{said} Fix the line or delete it; `etl quarantine` writes them."


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
