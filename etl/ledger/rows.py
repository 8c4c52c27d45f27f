"""What the ledger holds, as plain data; and the fingerprints and stamps that receipts compare."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from etl.errors import sentence
from etl.ledger.spent import Spent

#: The outcome of an optional model that failed: what it held before stays.
FAILED = "failed"

#: Under what the receipt of a partition says which rules its rejected records broke, with a few of them.
WHY = "why_rejected"

#: How many offending rows of a check are kept.
KEPT_ROWS = 100


_quoted = json.encoder.encode_basestring_ascii

#: As json.dumps() writes it, which makes an encoder each time.
_as_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode


class Key(NamedTuple):
    """What a receipt is for: a step of the flow, the source or table, and the partition if it has one."""

    step: str
    name: str = ""
    partition: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in self if part)


@dataclass(frozen=True)
class Receipt:
    """The proof that the step `key` is done for `fingerprint`; `outcome` is `done`, `refused`, `kept` or `failed`.

    Of a partition that is kept, what was accepted before is in the lake, since what came in its place is refused.
    A model that failed is optional: it holds what it held before, and its next fingerprint is another.
    """

    key: Key
    fingerprint: str
    run_id: str
    outcome: str = "done"
    _: KW_ONLY
    seconds: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
    finished_at: str = ""
    #: What the step has cost, for the history; a receipt that is read has none.
    spent: Spent | None = field(default=None, compare=False)


def receipt_of(row: Sequence[Any]) -> Receipt:
    """Return a receipt of its row in the ledger."""
    return _with_details(row, json.loads(row[8]))


def receipts_of(rows: Sequence[Sequence[Any]]) -> dict[Key, Receipt]:
    """Return receipts by key; of thousands, their details are read as one text."""
    details = json.loads(f"[{','.join(row[8] for row in rows)}]")
    if len(details) != len(rows):
        raise ValueError("a receipt is not one JSON text")
    return {found.key: found for found in map(_with_details, rows, details)}


def _with_details(row: Sequence[Any], details: dict[str, Any]) -> Receipt:
    step, name, partition, print, outcome, run_id, finished_at, seconds, _ = row
    found = object.__new__(Receipt)
    # there are tens of thousands, and to set each field of one that cannot be changed takes twice as long
    found.__dict__.update(
        key=Key(step, name, partition), fingerprint=print, run_id=run_id, outcome=outcome, seconds=seconds,
        details=details, finished_at=finished_at, spent=None,
    )  # fmt: skip
    return found


def failed_note(receipt: Receipt) -> str:
    """Return what is to be said of an optional model that failed."""
    since = receipt.details["since"]
    stays = f"It keeps the rows of {since[:10]}." if since else "It was never built, so it is left out."
    first, *rest = receipt.details["failed"].splitlines()
    return "\n".join([f"{sentence(first)} The model is optional. {stays} The next run tries it again.", *rest])


@dataclass(frozen=True, kw_only=True)
class Check:
    """The latest result of one audit, contract rule or law; `examples` is a bounded list of rows."""

    name: str
    table_name: str
    severity: str
    passed: bool
    failing: int
    examples: list[str]
    run_id: str
    fingerprint: str

    @property
    def row(self) -> tuple[object, ...]:
        """The values of its row, in the order of the table's columns."""
        values = (*vars(self).values(),)
        return (*values[:5], json.dumps(self.examples), *values[6:])


def witness_of(model: str) -> str:
    """Return the name of the check that compares what Spark has computed of a model with what DuckDB computes."""
    return f"{model}.witness"


class Offending(NamedTuple):
    """The SELECT of a check, and the offending rows that it found: at most KEPT_ROWS of them."""

    query: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class RowCount:
    """How many rows a table had on a batch date, in the run that was the last to pass its audit."""

    table_name: str
    batch_date: str
    run_id: str
    rows: int
    _: KW_ONLY
    fingerprint: str


@dataclass(frozen=True)
class Run:
    """One execution of the batch; `outcome` is empty while it is under way. Times are UTC, ISO 8601."""

    run_id: str
    batch_date: str
    started_at: str
    finished_at: str = ""
    _: KW_ONLY
    outcome: str = ""
    pid: int = 0
    git_commit: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Switch:
    """One change of the current generation: `kind` is `publish`, `rollback` or `promote`."""

    at: str
    generation: str
    #: The current one before; empty at the first.
    before: str
    kind: str
    _: KW_ONLY
    by: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Approval:
    """Somebody's word that a generation may be promoted."""

    generation: str
    by: str
    reason: str
    at: str


def now() -> str:
    """Return the time in UTC as ISO 8601 with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def fingerprint(*parts: object) -> str:
    """Return 16 hex digits that change when any of the JSON-able `parts` changes."""
    return digest(*parts)[:16]


def fingerprint_of_texts(rows: Sequence[tuple[str, ...]]) -> str:
    """Return what fingerprint(rows) does of tuples of texts, in a third of the time."""
    told = ",".join(f"[{','.join(map(_quoted, row))}]" for row in rows)
    return hashlib.sha256(f"[[{told}]]".encode()).hexdigest()[:16]


def digest(*parts: object) -> str:
    """Return 32 hex digits, 128 bits, that change when any of the JSON-able `parts` changes."""
    return hashlib.sha256(_as_json(parts).encode()).hexdigest()[:32]


def stamp(path: Path | str) -> list[int]:
    """Return size, mtime and inode of a file: equal stamps mean the same content; [] if there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return []
    return [status.st_size, status.st_mtime_ns, status.st_ino]
