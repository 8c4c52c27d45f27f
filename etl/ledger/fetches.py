"""What became of the last fetch of each source and day: a cache, the cursor itself is in the fetched file."""

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
    """The last fetch of a source for a day; `looked_at` is UTC, `cursor` what the newest manifest says."""

    source: str
    day: str
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


_COLUMNS = [one.name for one in fields(FetchRow)]
_NAMES, _FILES, _CURSOR = ", ".join(_COLUMNS), _COLUMNS.index("files"), _COLUMNS.index("cursor")


def write_fetch(ledger: Ledger, row: FetchRow) -> None:
    """Note what became of a fetch."""
    values = [getattr(row, one.name) for one in fields(row)]
    values[_FILES], values[_CURSOR] = json.dumps([*row.files]), json.dumps(row.cursor)
    ledger.change(
        (f"insert or replace into fetch_log ({_NAMES}) values ({', '.join('?' * len(values))})", [values])
    )


def fetches(ledger: Ledger) -> dict[str, FetchRow]:
    """Return the last fetch of each source."""
    rows = ledger.ask(f"select {_NAMES} from fetch_log order by looked_at, rowid")
    return {row[0]: _row(row) for row in rows}


def fetch_of(ledger: Ledger, source: str, day: str) -> FetchRow | None:
    """Return the last fetch of a source for a day."""
    rows = ledger.ask(f"select {_NAMES} from fetch_log where source = ? and day = ?", (source, day))
    return _row(rows[0]) if rows else None


def _row(row: Sequence[Any]) -> FetchRow:
    known = dict(zip((one.name for one in fields(FetchRow)), row, strict=True))
    return FetchRow(**{**known, "files": json.loads(row[_FILES]), "cursor": json.loads(row[_CURSOR])})
