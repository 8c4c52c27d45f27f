"""What is known of the fetches of a source: when it was asked last, and how far its cursor has come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from etl.errors import EtlError
from etl.ledger.fetches import FAILED, FetchRow
from etl.project import Project
from etl.sources import Source
from etl.sources.connectors.landed import Landed

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def fetch_status(project: Project, source: Source | None, row: FetchRow | None) -> dict[str, Any]:
    """Return what `etl status` says of the fetches of a source; None of one whose deliveries are files.

    `lag_seconds` is the time since the cursor, if it is one.
    """
    if source is None or source.fetch is None or not isinstance(source.connector, Landed):
        return {"fetch": None}
    cursor = _cursor(project, source, row)
    lag = _lag(cursor, project.settings.timezone) if source.fetch.mode == "cursor" else None
    return {
        "fetch": source.fetch.named,
        "fetched_at": row.looked_at if row else None,
        "fetched": row.outcome if row else None,
        "fetch_problem": row.message if row and row.outcome == FAILED else None,
        "fetch_notes": row.message if row and row.outcome != FAILED else None,
        "cursor": cursor if source.fetch.mode == "cursor" else None,
        "lag_seconds": lag,
    }


def told(found: dict[str, Any]) -> str:
    """Return a line about the fetches of a source; empty if there are none."""
    if found["fetch"] is None:
        return ""
    if found["fetched_at"] is None:
        return "never fetched here"
    at = f"{found['fetched_at'][:16].replace('T', ' ')}Z"
    if found["fetch_problem"]:
        return f"could not be fetched at {at}: {found['fetch_problem']}"
    parts = [f"fetched {at}, {'nothing new' if found['fetched'] == 'unchanged' else 'with something new'}"]
    parts += [f"cursor {found['cursor']}"] if found["cursor"] is not None else []
    parts += [f"{_length(found['lag_seconds'])} behind"] if found["lag_seconds"] is not None else []
    parts += [found["fetch_notes"]] if found["fetch_notes"] else []
    return ", ".join(parts)


def _cursor(project: Project, source: Source, row: FetchRow | None) -> Any:
    """Return the cursor of the newest file; the ledger has it, unless that file is another one by now."""
    connector: Any = source.connector
    found = list(connector.landed(project.fetched))
    newest = max(found, key=lambda one: (one.stamp, one.path), default=None)
    if newest is None:
        return None
    if row and row.file == newest.path:
        return row.cursor
    from etl.stages.fetched import read_manifest

    try:
        return read_manifest(project.fetched / newest.path).to
    except EtlError:
        return None


def _lag(cursor: Any, timezone: str) -> int | None:
    """Return the seconds since a cursor that is a time."""
    try:
        at = datetime.fromisoformat(cursor) if isinstance(cursor, str) else None
    except ValueError:
        return None
    if at is None:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(timezone))
    return max(0, int((datetime.now(UTC) - at).total_seconds()))


def _length(seconds: int) -> str:
    unit = next((one for one in _UNITS if seconds >= 2 * one[0]), None)
    return f"{seconds // unit[0]:,} {unit[1]}" if unit else f"{seconds} s"
