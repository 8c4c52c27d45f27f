"""Old months: the partitions of one have a file together, so that years of days are read as few files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

from etl.stages.warehouse.work import Day

#: A month is old when it has ended so many days before the newest partition.
_DAYS = 31
#: An old month may have so many files before they become one: what is corrected in it is written alone at first.
MOST = 4


def stems(days: Iterable[Day], newest: date | None) -> dict[Day, str]:
    """Return what the file of each partition is called by: its date, or an old month that several are of."""
    found: dict[Day, str] = {}
    together: dict[str, list[date]] = defaultdict(list)
    for day in days:
        found[day] = str(day) if day else "null"
        if day and newest and _is_old(day, newest):
            together[_month(day)].append(day)
    for month, each in together.items():
        found |= dict.fromkeys(each, month if len(each) > 1 else str(each[0]))
    return found


def scattered(files: Mapping[Day, str]) -> list[list[date]]:
    """Return the partitions of each old month that have too many files; `files` has the file of each."""
    dates = [day for day in files if day]
    months: dict[str, list[date]] = defaultdict(list)
    newest = max(dates, default=date.min)
    for day in sorted(day for day in dates if _is_old(day, newest)):
        months[_month(day)].append(day)
    return [days for days in months.values() if len({files[day] for day in days}) > MOST]


def _is_old(day: date, newest: date) -> bool:
    return _month(day) < _month(date.fromordinal(max(newest.toordinal() - _DAYS, 1)))


def _month(day: date) -> str:
    return str(day)[:7]
