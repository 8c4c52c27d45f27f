"""Old months: small partitions of one have a file together, so that years of days are read as few files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date

from etl.stages.warehouse.staged import PartFile
from etl.stages.warehouse.work import Day

#: Partitions are small if a month of them has fewer rows each than a row group of Parquet. Others would be read no
#: faster from one file, and to write 30 million rows again takes memory, and their room in each generation.
SMALL = 122_880
#: A month is old when it has ended so many days before the newest partition.
_DAYS = 31
#: An old month may have so many files before they become one: what is corrected in it is written alone at first.
MOST = 4


def stems(rows: Mapping[Day, int], newest: date | None) -> dict[Day, str]:
    """Return what the file of each partition is called by: its date, or an old month that several are of.

    `rows` has the rows of each.
    """
    found: dict[Day, str] = {day: str(day) if day else "null" for day in rows}
    for month, days in _old_months(rows, newest or date.min).items():
        if len(days) > 1 and _are_small(rows, days):
            found |= dict.fromkeys(days, month)
    return found


def scattered(files: Mapping[Day, PartFile]) -> list[list[date]]:
    """Return the partitions of each old month that have too many files; `files` has the file of each."""
    rows = {day: file.rows for day, file in files.items()}
    months = _old_months(rows, max((day for day in files if day), default=date.min)).values()
    return [days for days in months if len({files[day].name for day in days}) > MOST and _are_small(rows, days)]


def _old_months(days: Iterable[Day], newest: date) -> dict[str, list[date]]:
    """Return the partitions of each old month, in order."""
    found: dict[str, list[date]] = defaultdict(list)
    for day in sorted(day for day in days if day and _is_old(day, newest)):
        found[_month(day)].append(day)
    return found


def _are_small(rows: Mapping[Day, int], days: Collection[date]) -> bool:
    return sum(rows[day] for day in days) < SMALL * len(days)


def _is_old(day: date, newest: date) -> bool:
    return _month(day) < _month(date.fromordinal(max(newest.toordinal() - _DAYS, 1)))


def _month(day: date) -> str:
    return str(day)[:7]
