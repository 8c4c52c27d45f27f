"""What a generation says of itself: what it was made from, and the hash of what each table holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from etl.ledger import stamp
from etl.project.others import RECORD

#: Where a record says when its generation was published: on a line of its own, near the beginning.
_PUBLISHED_AT = re.compile(r'^ "published_at": "([^"\\]*)",$', re.MULTILINE)
_HEAD_CHARACTERS = 2_000
#: So many records are kept that were read: they name every partition.
_KNOWN = 8


class Input(NamedTuple):
    """A partition that a generation holds: the file it came from, and when that was loaded."""

    file: str
    #: Of a source with personal data it is keyed with ETL_MASK_KEY, or empty without one.
    sha256: str
    #: That of its extract receipt: the file's content and the definition of its source.
    fingerprint: str
    taken_at: str

    @property
    def content(self) -> str:
        """What tells its bytes from others: the hash, which is empty for personal data without a key."""
        return self.sha256 or self.fingerprint


@dataclass(frozen=True)
class Contents:
    """What a table or view holds; tables of equal `hash` have the same columns and rows.

    The `hash` of a view is that of its SQL. `key` are the columns that name a row, if any are promised to.
    """

    kind: str
    rows: int | None = None
    hash: str = ""
    key: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One published generation. Times are UTC, ISO 8601."""

    generation: str
    run_id: str
    published_at: str
    batch_date: str = ""
    #: The commit that the code was at; `is_committed` tells whether it was all of the code.
    git_commit: str = ""
    is_committed: bool = True
    #: The fingerprint of all code and inputs that it was made from.
    fingerprint: str = ""
    #: What stands for all that analysts can see in it.
    content: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    #: The partitions of each source.
    inputs: Mapping[str, Mapping[str, Input]] = field(default_factory=dict)
    #: The fingerprint of each source, model, contract and audit.
    definitions: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Contents] = field(default_factory=dict)
    #: The size of its warehouse file.
    bytes: int = 0
    #: The storage version of the file, as DuckDB says it.
    storage: str = ""
    #: Where it was promoted from, by whom and why; empty if it was made here.
    origin: Mapping[str, Any] = field(default_factory=dict)


def record_file(folder: Path) -> Path:
    """Return where the record of the generation in a folder is."""
    return folder / RECORD


def published_at(folder: Path) -> str:
    """Return when the generation in a folder was published, empty if that cannot be read.

    It is at the beginning of its record, of which the rest grows with all partitions there are.
    """
    try:
        with open(record_file(folder), encoding="utf-8", errors="replace") as file:
            found = _PUBLISHED_AT.search(file.read(_HEAD_CHARACTERS))
    except OSError:
        return ""
    if found:
        return found[1]
    record = read_record(folder)
    return record.published_at if record else ""


def read_record(folder: Path) -> Generation | None:
    """Return the record of the generation in a folder, or None if it has none that can be read."""
    file = record_file(folder)
    try:
        return _read(str(file.resolve()), tuple(stamp(file)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@lru_cache(maxsize=_KNOWN)
def _read(file: str, _: tuple[int, ...]) -> Generation:
    """Return a record; many places ask for the same one, and it is never written to again."""
    facts = json.loads(Path(file).read_text(encoding="utf-8"))
    inputs = {
        source: {day: Input(**item) for day, item in days.items()} for source, days in facts["inputs"].items()
    }
    tables = {name: Contents(**{**item, "key": tuple(item["key"])}) for name, item in facts["tables"].items()}
    return Generation(**{**facts, "inputs": inputs, "tables": tables})


def write_record(folder: Path, record: Generation) -> Path:
    """Write the record of a generation into its folder, which is not published yet; return the file."""
    file, names = record_file(folder), Input._fields
    inputs = {
        source: {day: dict(zip(names, item, strict=True)) for day, item in days.items()}
        for source, days in record.inputs.items()
    }
    facts = {
        **vars(record),
        "inputs": inputs,
        "tables": {name: vars(item) for name, item in record.tables.items()},
    }
    # with a line for each fact; json.dumps() takes ten times as long to indent more
    lines = (f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items())
    file.write_text("{\n" + ",\n".join(lines) + "\n}", encoding="utf-8")
    return file
