"""Deliveries that somebody has to bring: why one is not there, and by when a run may wait for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from etl.ledger import Ledger
from etl.ledger.fetches import FAILED, fetches
from etl.ledger.keys import extract_key
from etl.project import Project
from etl.sources import Source
from etl.sources.connectors.pattern import file_pattern
from etl.stages import raw


@dataclass(frozen=True)
class Window:
    """A time in which a source is waited for, in UTC; `day` is the one on which it began in the project's zone."""

    begin: datetime
    end: datetime
    day: date


def window_at(wait: str, timezone: str, moment: datetime) -> Window | None:
    """Return the window of a source, such as `02:00-06:00`, that a moment is in; None if it is in none.

    Of a time of day that comes twice when clocks change, the window has both; of one that does not come at all, it
    begins and ends as if the clocks had not changed, so that it is never empty.
    """
    first, last = map(time_of_day.fromisoformat, wait.split("-"))
    zone = ZoneInfo(timezone)
    today = moment.astimezone(zone).date()
    for day in (today + timedelta(n) for n in (-1, 0, 1)):
        begin = min(_moments(day, first, zone))
        end = max(_moments(day + timedelta(last <= first), last, zone))
        if begin <= moment < end:
            return Window(begin, end, day)
    return None


def _moments(day: date, at: time_of_day, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the moments that a time of day may mean, in UTC."""
    return (datetime.combine(day, at.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1))


def why_not_there(project: Project, ledger: Ledger, source: Source, wanted: date, day: date) -> str:
    """Return why the delivery `wanted` is not there; empty if it is, or was taken before it went away.

    A snapshot, or what is asked each night, has to be of `day` or later.
    """
    if source.is_asked_each_night and not source.has_days:
        return _why_unasked(project, ledger, source, day)
    found = raw.look(source, source.root(project), wanted, time.time_ns())
    if source.has_days:
        if wanted in found.complete or ledger.receipt(extract_key(source.name, wanted)):
            return ""
        if source.fetch:
            return _why_unasked(project, ledger, source, day) or _why_not_fetched(source, wanted)
        return found.incomplete.get(wanted, f"there is no {source.where(project, wanted)}")
    files = [file for delivery in found.complete.values() for file in delivery.files]
    if not files:
        return next(iter(found.incomplete.values()), f"there is no {source.connector.place}")
    zone = ZoneInfo(project.settings.timezone)
    newest = max(datetime.fromtimestamp(file.path.stat().st_mtime, zone) for file in files)
    return "" if newest.date() >= day else f"its file is of {newest:%Y-%m-%d %H:%M}"


def _why_not_fetched(source: Source, wanted: date) -> str:
    files = getattr(source.connector, "files", "")
    return f"there is no {file_pattern(files).path(wanted)} to fetch" if files else "it was not fetched"


def _why_unasked(project: Project, ledger: Ledger, source: Source, day: date) -> str:
    """Return why it is not known what a source has to say of a day: nothing new is an answer too."""
    row = fetches(ledger).get(source.name)
    if row is None:
        return "it was never fetched"
    zone = ZoneInfo(project.settings.timezone)
    asked = datetime.fromisoformat(row.looked_at).astimezone(zone)
    if row.outcome == FAILED:
        return f"it could not be fetched at {asked:%Y-%m-%d %H:%M}: {row.message.rstrip('.')}"
    return "" if asked.date() >= day else f"it was fetched last at {asked:%Y-%m-%d %H:%M}"
