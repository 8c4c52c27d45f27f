"""When a schedule runs: its next times, the nights on which clocks are changed, and the same for systemd."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from etl.errors import ConfigError
from etl.project.days import Days

INSTALL = "cronsim is not installed. Type: pip install 'etl[schedule]'"
_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
#: So far is looked for a next time, and for nights on which clocks are changed.
_MOST_TRIES, _DAYS_AHEAD = 2_000, 400


def machine_zone() -> ZoneInfo:
    """Return the time zone of the machine, which is that of cron and systemd; UTC if nobody says."""
    link = os.path.realpath("/etc/localtime")
    names = [link.partition("zoneinfo/")[2]]
    if Path("/etc/timezone").is_file():
        names.append(Path("/etc/timezone").read_text(encoding="utf-8").strip())
    for name in filter(None, names):
        try:
            return ZoneInfo(name.removeprefix("posix/"))
        except (ZoneInfoNotFoundError, ValueError):
            continue
    return ZoneInfo("UTC")


def parsed(at: str) -> Any:
    """Return the times of five fields of cron, as cronsim has them.

    Raises ConfigError for what is not one, for what only some crons know, and for a time that never comes.
    """
    try:
        from cronsim import CronSim, CronSimError
    except ImportError:
        raise ConfigError(f"A schedule cannot be read, since {INSTALL}") from None
    if len(at.split()) != 5 or re.search(r"[LW#?@]", re.sub(r"[A-Za-z]{3}", "", at)):
        raise ConfigError(
            f"The time {at!r} of --at is not a time of cron. Write five fields such as '10 4 * * *': minute, "
            "hour, day, month, day of the week. For the last day of a month and the like there is --days."
        )
    try:
        found = CronSim(at, datetime.now(UTC))
        next(found)
    except CronSimError as error:
        raise ConfigError(
            f"The time {at!r} of --at is not a time of cron: {str(error) or 'a field is wrong'}."
        ) from None
    except StopIteration:
        raise ConfigError(f"The time {at!r} of --at never comes.") from None
    return CronSim(at, datetime.now(UTC))


def next_runs(at: str, days: Days, zone: ZoneInfo, number: int, start: datetime | None = None) -> list[datetime]:
    """Return the next times of a schedule on days that are meant, as cron runs it in a zone."""
    from cronsim import CronSim

    times = islice(CronSim(at, (start or datetime.now(UTC)).astimezone(zone)), _MOST_TRIES)
    return list(islice((time for time in times if time.date() in days), number))


def odd_nights(at: str, zone: ZoneInfo, start: date | None = None) -> Iterator[str]:
    """Yield what happens to a schedule on the nights on which clocks are changed, within about a year."""
    times = [(hour, minute) for hour in sorted(parsed(at).hours) for minute in sorted(parsed(at).minutes)]
    first = start or datetime.now(zone).date()
    for day in (first + timedelta(n) for n in range(_DAYS_AHEAD)):
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        if midnight.utcoffset() == (midnight + timedelta(1)).utcoffset():
            continue
        for hour, minute in times:
            time, text = midnight.replace(hour=hour, minute=minute), f"{hour:02}:{minute:02}"
            if time.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != time.replace(tzinfo=None):
                yield (
                    f"{text} does not exist on {day}: cron runs it when the hour is over, and systemd leaves that "
                    "night out; the next one catches up"
                )
            elif time.utcoffset() != time.replace(fold=1).utcoffset():
                yield f"{text} comes twice on {day}: it is run once, the first time"


def on_calendar(at: str, zone: ZoneInfo) -> list[str]:
    """Return the times of five fields of cron as systemd writes them, in a zone.

    Where both a day and a day of the week are given, cron means either; then they are two.
    """
    times = parsed(at)
    clock = f"{_fields(times.hours, 24)}:{_fields(times.minutes, 60)}:00 {zone.key}"
    months, every = _fields(times.months, 12, 1), {*range(1, 32)}
    week = {int(day) % 7 for day in times.weekdays}
    names = "" if len(week) == 7 else f"{','.join(_WEEKDAYS[day] for day in sorted(week))} "
    if times.day_and:
        return [f"{names}*-{months}-{_fields(times.days, 31, 1)} {clock}"]
    by_day, by_week = f"*-{months}-{_fields(times.days, 31, 1)} {clock}", f"{names}*-{months}-* {clock}"
    return [by_week] if {*times.days} == every else [by_day, by_week]


def _fields(numbers: Collection[int], most: int, first: int = 0) -> str:
    return "*" if len({*numbers}) == most else ",".join(f"{number:02}" for number in sorted(numbers))
