"""Corrections: what people decided about records in quarantine. Nothing can compute them: they are kept like raw/.

One file a partition, one JSON object a line; of several about one record the last counts.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import date
from functools import cache
from pathlib import Path

from etl.engine.quoting import literal
from etl.errors import ConfigError, sentence
from etl.project import Project
from etl.project.files import sha256, written_aside
from etl.sources import Source
from etl.sources.formats import Place

REPLACE, DISCARD = "replace", "discard"
#: The SQL of the hash of a record in quarantine, as record_hash() has it.
HASH = "coalesce(sha256(raw), sha256(text))"
#: The line of a decision about a file as a whole.
WHOLE_FILE = 0
#: A snapshot's partition is named for the batch date, which says nothing about its records.
_SNAPSHOT = "snapshot"
_BLOCK_BYTES = 1 << 22
#: What a line says of a record, as add_corrections() writes it, and what it says of the decision.
_RECORD = re.compile(rb'\{"file": ("(?:[^"\\]|\\.)*"), "line": (\d{1,18}), "sha256": "([0-9a-f]{64})"(, .*\})\s*')


@dataclass(frozen=True, kw_only=True, slots=True)
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

    @property
    def only_discards(self) -> bool:
        """Whether they leave records out and change none."""
        return all(item.action == DISCARD for item in self)

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
    with _explaining(project, source):
        there = decided_partitions(project, source)
        files = {day: corrections_file(project, source, day) for day in days} if there else {}
        return {day: sha256(file) for day, file in files.items() if file.stem in there}


def decided_partitions(project: Project, source: Source) -> set[str]:
    """Return the dates of partitions about which people decided something, and perhaps other names.

    Raises ConfigError for decisions that cannot be read.
    """
    with _explaining(project, source):
        try:
            names = os.listdir(project.corrections / source.name)
        except OSError:
            if os.path.lexists(project.corrections / source.name):
                raise
            return set()
        return {name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl")}


@contextmanager
def _explaining(project: Project, source: Source) -> Iterator[None]:
    try:
        yield
    except OSError as error:
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
    return Corrections(_Lines(file).read(content.splitlines()), _hash(content))


def decided_sql(file: Path) -> str:
    """Return the SQL of the decisions in a file, with columns as Correction has them, for millions of them.

    Only those are in it that are written as add_corrections() writes them; count_lines() tells whether all are.
    """
    types = {name: "bigint" if type is int else "varchar" for name, type in _TYPES.items()}
    values = {name: f"d.{name}" if type == "bigint" else f"to_json(d.{name})" for name, type in types.items()}
    again = ", ', ', ".join(f"'{_json(name)}: ', {value}" for name, value in values.items())
    options = "header = false, auto_detect = false, delim = chr(1), quote = '', escape = '', new_line = '\\n'"
    lines = f"read_csv({literal(str(file))}, columns = {{said: 'varchar'}}, {options})"
    decided = f"select said, from_json(said, {literal(_json(types))}) as d from {lines}"
    return f"(select unnest(d) from ({decided}) where said = concat('{{', {again}, '}}'))"


def count_lines(file: Path) -> int:
    """Return how many lines a file has."""
    with file.open("rb") as lines:
        return sum(block.count(b"\n") for block in iter(lambda: lines.read(_BLOCK_BYTES), b""))


def add_corrections(file: Path, items: Iterable[Correction], scratch: Path) -> None:
    """Add decisions to a file: all or none, whatever is killed or loses its power. The project is to be locked."""
    add_lines(file, (f"{_json(asdict(item))}\n".encode() for item in items), scratch)


def add_decision(
    file: Path, keys: Iterable[tuple[str, int, str]], decision: Mapping[str, str], scratch: Path
) -> None:
    """Add one decision about any number of records, as add_corrections() does; `keys` are as Correction.key."""
    named, rest = cache(_json), end_of_line(decision)
    # of pieces of text: an object for each of a million records would cost ten times as much
    lines = (f'{{"file": {named(name)}, "line": {line}, "sha256": "{sha256}", ' for name, line, sha256 in keys)
    add_lines(file, (f"{line}{rest}".encode() for line in lines), scratch)


def end_of_line(decision: Mapping[str, str]) -> str:
    """Return what a line about a record says after its file, line and hash: what was decided."""
    said = {name: decision.get(name, "") for name in _TYPES if name not in ("file", "line", "sha256")}
    return f"{_json(said).removeprefix('{')}\n"


def add_lines(file: Path, lines: Iterable[bytes], scratch: Path) -> None:
    """Add decisions to a file as add_corrections() does, any number of whole lines at a time."""
    if file.exists():
        with file.open("rb") as before:
            deque(_Lines(file).read(before), maxlen=0)
    with written_aside(file, scratch) as aside, aside.open("wb") as out:
        if file.exists():
            with file.open("rb") as before:
                shutil.copyfileobj(before, out, _BLOCK_BYTES)
                if before.tell() and os.pread(before.fileno(), 1, before.tell() - 1) != b"\n":
                    out.write(b"\n")
        out.writelines(lines)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


class _Lines:
    """Reads the decisions in the lines of a file; what many lines say alike is parsed once, and in memory once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._said: dict[bytes, Correction] = {}
        self._names: dict[bytes, str] = {}

    def read(self, lines: Iterable[bytes]) -> Iterator[Correction]:
        """Yield the decisions. Raises ConfigError that names a line that is none."""
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield self._like_others(line) or self._alone(number, line)

    def _like_others(self, line: bytes) -> Correction | None:
        """Return the decision of a line if others said the same of records of the same file."""
        found = _RECORD.fullmatch(line)
        if not found or (said := self._said.get(found[4])) is None or (name := self._names.get(found[1])) is None:
            return None
        return Correction(
            file=name,
            line=int(found[2]),
            sha256=found[3].decode(),
            action=said.action,
            text=said.text,
            reason=said.reason,
            by=said.by,
            at=said.at,
        )

    def _alone(self, number: int, line: bytes) -> Correction:
        try:
            values = json.loads(line)
            item = Correction(**values)
        except (ValueError, TypeError) as error:
            raise ConfigError(_malformed(self._file, number, str(error))) from None
        wrong = [name for name, type in _TYPES.items() if not isinstance(getattr(item, name), type)]
        if wrong or item.action not in (REPLACE, DISCARD) or (item.action == DISCARD and not item.reason.strip()):
            why = "it needs an action, replace or discard, and to discard a reason"
            why = f"{', '.join(wrong)} has the wrong type" if wrong else why
            raise ConfigError(_malformed(self._file, number, why))
        # a key that is there twice would say otherwise of the record than the line begins
        if (found := _RECORD.fullmatch(line)) and line.count(b'":') == len(values):
            self._names[found[1]], self._said[found[4]] = item.file, item
        return item


def _malformed(file: Path, number: int, why: str) -> str:
    said = f"{file}, line {number} is not a correction: {sentence(why)}"
    return f"{said} Fix the line or delete it; `etl quarantine` writes them."


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
