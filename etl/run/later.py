"""What a night of a later batch date says that finds all as it was: only what is late has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from etl.plan.rhythm import Holes, Rhythm, newest_due
from etl.reports.holes import LISTED, told_days, told_late

_HEAD = "up to {}"


@dataclass(frozen=True, kw_only=True)
class Awaited:
    """What a source has delivered, as far as it tells what is missing on a later date. Dates are ISO 8601."""

    name: str
    #: What is said of it on each date.
    lines: Sequence[str]
    lag_days: int = 0
    every: str = ""
    #: The days without a delivery before the newest one: how many, and the last of them.
    holes: int = 0
    newest_holes: Sequence[str] = ()
    #: The day of the newest delivery; empty if there is none, or no dates.
    newest: str = ""
    #: The name of the rhythm, its anchor and slack; empty if none is known.
    rhythm: Sequence[Any] = ()
    #: Days of which something else is said.
    waiting: Sequence[str] = ()
    #: The days of a dated source without whose newest expected one nothing is published.
    required: Sequence[str] = ()

    def holes_on(self, last: date) -> tuple[Holes, str]:
        """Return since when it is late on a batch date, and what is said of all that is missing."""
        if not self.rhythm or not self.newest:
            found = Holes(rhythm=self.rhythm[0] if self.rhythm else "")
            return found, told_days(self.holes, _dates(self.newest_holes), found)
        due = Rhythm(*self.rhythm).due(date.fromisoformat(self.newest), last - timedelta(self.lag_days))
        found = Holes(due, due[0] if due else None, self.rhythm[0])
        more = [day for day in due if str(day) not in self.waiting]
        newest = [*_dates(self.newest_holes), *more][-LISTED:]
        return found, told_days(self.holes + len(more), newest, found)

    def is_missing(self, last: date) -> bool:
        """Return whether a delivery is missing on a batch date that is required."""
        days = _dates(self.required)
        expected = last - timedelta(self.lag_days)
        return bool(days) and newest_due(days, expected, self.every) not in days


@dataclass(frozen=True)
class Later:
    """A night with nothing to do: what it says first on the date `last`, and what is known of each source."""

    last: str
    head: str
    sources: Sequence[Awaited]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Later:
        """Return what to_dict() made `data` from."""
        return cls(data["last"], data["head"], [Awaited(**source) for source in data["sources"]])

    def is_missing(self, last: date) -> bool:
        """Return whether something required is missing on a batch date."""
        return any(source.is_missing(last) for source in self.sources)

    def lines(self, last: date) -> list[str]:
        """Return what is said on a batch date."""
        found = {source.name: source.holes_on(last) for source in self.sources}
        head = self.head.replace(_HEAD.format(self.last), _HEAD.format(last), 1)
        lines = [head + told_late({name: holes for name, (holes, _) in found.items()})]
        for source in self.sources:
            told = found[source.name][1]
            lines += [*source.lines, *([f"  {source.name}: {told}"] if told else [])]
        return lines

    def totals(self, totals: Mapping[str, Any], last: date) -> dict[str, Any]:
        """Return the totals of another batch date, with what is late on this one."""
        holes = {source.name: source.holes_on(last)[0] for source in self.sources}
        return {**totals, "late": {name: str(h.late_since) for name, h in holes.items() if h.late_since}}


def _dates(texts: Sequence[str]) -> list[date]:
    return [date.fromisoformat(text) for text in texts]
