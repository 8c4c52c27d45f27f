"""Which days are meant by words: `mon-fri`, `business days`, `last business day of month except holidays.csv`."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterable
from datetime import date, timedelta
from pathlib import Path

#: The words for a day of the week, Monday first.
_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EXCEPT = re.compile(r"\s+except\s+", re.IGNORECASE)
_DAY = timedelta(1)
#: What a message says that such words can be.
GRAMMAR = (
    "every day, business days, a list such as mon-fri or mon,wed, first or last day of month, first or last "
    "business day of month; each may end in `except FILE.csv`, a seed with a column of dates"
)

#: Answers whether a day is meant, of which some are holidays.
Rule = Callable[[date, Collection[date]], bool]


class Days:
    """Days that words mean; the holidays are those of the files that the words name."""

    def __init__(self, rule: Rule, files: list[str]) -> None:
        self._rule, self.files = rule, files
        self.holidays: frozenset[date] = frozenset()

    def with_holidays(self, folder: Path) -> Days:
        """Return them without the dates in their files, which lie in a folder.

        Raises ValueError for a file without dates.
        """
        found = Days(self._rule, self.files)
        found.holidays = frozenset(day for file in self.files for day in read_dates(folder, file))
        return found

    def __contains__(self, day: date) -> bool:
        return day not in self.holidays and self._rule(day, self.holidays)


def read_days(words: str) -> Days:
    """Return the days that words mean; every day without any. Raises ValueError that says what is possible."""
    text, *files = _EXCEPT.split(" ".join(words.split()))
    names = [file.strip() for part in files for file in part.split(",")]
    rule = _RULES.get(text.lower()) or _week(text.lower())
    if rule is None or not all(name.lower().endswith(".csv") for name in names):
        raise ValueError(f"is not a list of days. Write {GRAMMAR}")
    return Days(rule, names)


def read_dates(folder: Path, file: str) -> Iterable[date]:
    """Return the dates in a CSV file: those of its first column that has only dates."""
    path = folder / file
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = [row for row in csv.reader(lines) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"names {file}, and {path} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    for column in zip(*rows[1:], strict=False):
        try:
            return [date.fromisoformat(cell.strip()) for cell in column if cell.strip()]
        except ValueError:
            continue
    if len(rows) > 1:
        raise ValueError(f"names {file}, and {path} has no column of dates such as 2024-12-25")
    return []


def _week(text: str) -> Rule | None:
    """Return the days of a week that a list names, such as `mon-fri` or `sat,sun`."""
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        first, mark, last = part.partition("-")
        first, last = (
            first[:3] if first in _LONG else first,
            (last[:3] if last in _LONG else last) if mark else first,
        )
        last = last if mark else first
        if first not in _NAMES or last not in _NAMES:
            return None
        start, number = _NAMES.index(first), (_NAMES.index(last) - _NAMES.index(first)) % 7
        found |= {(start + n) % 7 for n in range(number + 1)}
    return lambda day, _: day.weekday() in found


def _business(day: date, holidays: Collection[date]) -> bool:
    return day.weekday() < 5 and day not in holidays


def _any(day: date, holidays: Collection[date]) -> bool:
    return True


def _edge(rule: Rule, step: timedelta) -> Rule:
    """Return the last day of a month that a rule means; or the first, looking backwards."""

    def is_edge(day: date, holidays: Collection[date]) -> bool:
        if not rule(day, holidays):
            return False
        other = day + step
        while other.month == day.month:
            if rule(other, holidays):
                return False
            other += step
        return True

    return is_edge


_LONG = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_RULES: dict[str, Rule] = {
    "": _any,
    "every day": _any,
    "daily": _any,
    "business days": _business,
    "last day of month": _edge(_any, _DAY),
    "first day of month": _edge(_any, -_DAY),
    "last business day of month": _edge(_business, _DAY),
    "first business day of month": _edge(_business, -_DAY),
}
