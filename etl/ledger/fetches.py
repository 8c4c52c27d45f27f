"""What became of the last fetch of each source: a cache, since the cursor itself is in the fetched file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from etl.ledger.ledger import Ledger

#: What became of a fetch: something new was landed, nothing was new, or it failed.
LANDED, UNCHANGED, FAILED = "landed", "unchanged", "failed"


@dataclass(frozen=True, kw_only=True)
class FetchRow:
    """The last fetch of a source; `looked_at` is UTC, `cursor` what the newest manifest says as JSON."""

    source: str
    run_id: str
    looked_at: str
    seconds: float
    outcome: str
    files: Sequence[str] = ()
    rows: int | None = None
    bytes: int = 0
    cursor: Any = None
    message: str = ""
    #: The newest fetched file by then, which the cursor is from; empty if there is none.
    file: str = ""


_NAMES = ", ".join(one.name for one in fields(FetchRow))


def write_fetch(ledger: Ledger, row: FetchRow) -> None:
    """Note what became of a fetch."""
    values = [getattr(row, one.name) for one in fields(row)]
    values[5], values[8] = json.dumps([*row.files]), json.dumps(row.cursor)
    ledger.change((f"insert or replace into fetches ({_NAMES}) values ({', '.join('?' * len(values))})", [values]))


def fetches(ledger: Ledger) -> dict[str, FetchRow]:
    """Return the last fetch of each source."""
    return {row[0]: _row(row) for row in ledger.ask(f"select {_NAMES} from fetches")}


def _row(row: Sequence[Any]) -> FetchRow:
    known = dict(zip((one.name for one in fields(FetchRow)), row, strict=True))
    return FetchRow(**{**known, "files": json.loads(row[5]), "cursor": json.loads(row[8])})
