"""Which rows are new by a cursor: what lies after the last one, and as far before it as commits may be late."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

from etl.errors import FetchError, printable
from etl.sources.fetches.database import Table
from etl.stages.fetched.kinds.database.catalogue import Held

#: What a cursor measures, by the family of its column.
_MEASURES = {"int": "number", "decimal": "number", "float": "number", "date": "day"} | dict.fromkeys(
    ("timestamp", "zoned", "text"), "moment"
)
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:([ T])(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d(?::?\d\d)?)?"
)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class Window:
    """What one fetch asks for: rows whose cursor is `lower` or greater, or null; all of them if it is None.

    `to` is the cursor afterwards.
    """

    lower: str | None
    to: str | None


def measure_of(table: Table, held: Held) -> str:
    """Return what a cursor measures. Raises FetchError for a column that cannot be one."""
    measure = _MEASURES.get(held.family)
    if measure is None:
        raise FetchError(
            f"{table.named}: cursor {held.name!r} is a {held.type}, which does not grow. Take a column with the "
            "moment of the last change, or with a growing number."
        )
    if table.overlap_of(measure) is None:
        example = "overlap=10_000" if measure == "number" else "overlap='2 hours'"
        raise FetchError(f"{table.named}: cursor {held.name!r} is a {held.type}. Write its overlap as {example}.")
    return measure


def window(
    table: Table,
    measure: str,
    before: Any,
    *,
    since: str | None,
    greatest: str | None,
    horizon: str | None,
    is_sure: bool,
) -> Window:
    """Return the window of a fetch that begins at the cursor `before`, or at `since` without an overlap.

    `greatest` is the greatest cursor in the table that is not in the future; `horizon` the moment before which all
    transactions are over, if the server tells. If `before` was bound by one (`is_sure`), it needs no overlap.
    """
    to = greatest if since is not None else _later(greatest, before, measure)
    if horizon is not None and to is not None and _sorting(horizon, measure) < _sorting(to, measure):
        to = horizon
    overlap = 0.0 if is_sure and table.horizon else table.overlap_of(measure) or 0.0
    lower = since if since is not None else None if before is None else moved(str(before), overlap, measure)
    return Window(lower=lower, to=to)


def moved(cursor: str, back: float, measure: str) -> str:
    """Return a cursor that lies so many seconds, days or numbers before another one, written as that one is."""
    try:
        if measure == "number":
            return _number(cursor, back)
        return _moment(cursor, back, measure)
    except (ValueError, OverflowError) as error:
        raise FetchError(
            f"The cursor {printable(cursor)!r} cannot be taken as a {measure}: only ISO 8601, such as "
            "2024-01-31 12:00:00, can be moved. Use a column of a type for moments, or late_commits='never'."
        ) from error


def _number(cursor: str, back: float) -> str:
    if not _NUMBER.fullmatch(cursor):
        raise ValueError(cursor)
    with localcontext(prec=100):
        return format(Decimal(cursor) - math.ceil(back), "f")


def _moment(cursor: str, back: float, measure: str) -> str:
    if measure == "moment" and not back:
        return cursor
    found = _MOMENT.fullmatch(cursor)
    if not found:
        raise ValueError(cursor)
    year, month, day, between, hour, minute, second, fraction, zone = found.groups()
    if measure == "day" or between is None:
        days = back if measure == "day" else math.ceil(back / 86400)
        return (date(int(year), int(month), int(day)) - timedelta(days=days)).isoformat()
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=UTC)
    text = (moment - timedelta(seconds=math.ceil(back))).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    text = text[:10] + between + text[11 : 19 if second is not None else 16]
    return text + (f".{fraction}" if fraction else "") + (zone or "")


def _later(one: str | None, other: Any, measure: str) -> str | None:
    if one is None or other is None:
        return one if other is None else str(other)
    return max(one, str(other), key=lambda cursor: _sorting(cursor, measure))


def _sorting(cursor: str, measure: str) -> Any:
    if measure == "number":
        return Decimal(cursor)
    if found := _MOMENT.fullmatch(cursor):
        text = cursor.replace("Z", "+00:00")
        value = datetime.fromisoformat(text[:10] if found[4] is None else text)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return datetime.max.replace(tzinfo=UTC)
