"""When deliveries of a dated source come, told by the dates of those that came; and which of them are missing."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

#: The rhythms, the sparsest first; a source can declare one of them, or that it has none.
RHYTHMS = ("monthly", "weekly", "weekdays", "daily")
IRREGULAR = "irregular"

_DAY = timedelta(1)
#: How many deliveries in a row tell a rhythm, and the least share of its days on which they came: a few that
#: come nearly all, or more that come mostly, so that a new rhythm is seen soon and holes do not hide an old one.
_EVIDENCE = {
    "monthly": ((4, 0.75), (8, 0.6)),
    "weekly": ((4, 0.75), (8, 0.6)),
    "weekdays": ((15, 0.6), (5, 0.8)),
    "daily": ((15, 0.6), (5, 0.8)),
}
_MOST = 15
#: The fewest deliveries that tell a rhythm of days.
_FEWEST = 5
#: The fewest days from one delivery to the next, in the middle.
_STEP = {"monthly": 20, "weekly": 4, "weekdays": 0, "daily": 0}
#: How many days a delivery may be dated before or after its own day, and half the distance of such days.
_STRAY = {"monthly": 5, "weekly": 2, "weekdays": 0, "daily": 0}
_REACH = {"monthly": 14, "weekly": 3, "weekdays": 0, "daily": 0}


@dataclass(frozen=True)
class Holes:
    """The days on which a delivery is missing, and since when none came; `rhythm` is empty if none is known."""

    days: Sequence[date] = ()
    late_since: date | None = None
    rhythm: str = ""


@dataclass(frozen=True)
class Rhythm:
    """The days on which deliveries are expected: `anchor` is the day of the week, or of the month."""

    name: str
    anchor: int = 0
    #: How many days after its own day a delivery has been dated lately.
    slack: int = 0

    def between(self, after: date, before: date) -> Iterator[date]:
        """Yield the expected days after one date and before another."""
        if self.name == "monthly":
            day = self._of_month(after.year, after.month)
            while day < before:
                if day > after:
                    yield day
                day = self._of_month(day.year + day.month // 12, day.month % 12 + 1)
            return
        day, step = after + _DAY, _DAY
        if self.name == "weekly":
            day, step = day + timedelta((self.anchor - day.weekday()) % 7), timedelta(7)
        while day < before:
            if self.name != "weekdays" or day.weekday() < 5:
                yield day
            day += step

    def own(self, day: date) -> date:
        """Return the expected day that a delivery of `day` stands for: the nearest one."""
        if self.name == "weekly":
            return day - timedelta((day.weekday() - self.anchor + 3) % 7 - 3)
        if self.name == "monthly":
            near = self.between(day - timedelta(32), day + timedelta(32))
            return min(near, key=lambda expected: abs(expected - day))
        return day

    def missing(self, after: date, before: date) -> list[date]:
        """Return the expected days between two deliveries for which neither of them can stand."""
        reach = timedelta(_REACH[self.name])
        return list(self.between(after + reach, before - reach))

    def explains(self, after: date, day: date) -> bool:
        """Return whether `day` is when the delivery next to that of `after` was expected."""
        own = self.own(day)
        is_expected = self.name != "weekdays" or day.weekday() < 5
        return is_expected and own != self.own(after) and not self.missing(after, day)

    def due(self, after: date, last: date) -> list[date]:
        """Return the expected days since a delivery that should be there on `last`."""
        return list(self.between(after + timedelta(_REACH[self.name]), last - timedelta(self.slack) + _DAY))

    def _of_month(self, year: int, month: int) -> date:
        return date(year, month, min(self.anchor, monthrange(year, month)[1]))


def find_holes(days: Iterable[date], expected: date | None = None, every: str = "") -> Holes:
    """Return the days without a delivery, up to the newest `expected` day.

    A source that declares no rhythm by `every` has the one that its deliveries show, at each time; where they
    show none, every day between two of them is a hole, and nothing is after the last. Without an expected day
    nothing is either.
    """
    known = sorted(set(days))
    if not known or every == IRREGULAR:
        return Holes(rhythm=every)
    rhythm = rhythm_of(known, every)
    late = rhythm.due(known[-1], expected) if rhythm and expected else []
    return Holes(
        [*_between(known, every, rhythm), *late], late[0] if late else None, rhythm.name if rhythm else ""
    )


def rhythm_of(known: Sequence[date], every: str = "") -> Rhythm | None:
    """Return the rhythm that a source declares, or that its deliveries, in order, show lately; None if none."""
    return _declared(every, known[-_MOST:]) or _shown(known[-_MOST:])


def newest_due(days: Iterable[date], expected: date, every: str) -> date:
    """Return the newest day up to `expected` on which a source that declares its rhythm has to deliver."""
    known = sorted(day for day in set(days) if day <= expected) or [expected]
    rhythm = _declared(every, known[-_MOST:])
    if rhythm is None:
        return expected
    return max(rhythm.due(known[-1], expected), default=known[-1])


def due_since(days: Iterable[date], expected: date, every: str) -> list[date]:
    """Return the days after the newest delivery, up to `expected`, on which a source has to deliver.

    Without a delivery that is the expected day alone. A source that declares no rhythm has to deliver every day.
    """
    known = sorted(day for day in set(days) if day <= expected)
    if not known:
        return [expected]
    rhythm = _declared(every, known[-_MOST:]) or Rhythm("daily")
    return rhythm.due(known[-1], expected)


def _between(days: Sequence[date], every: str, now: Rhythm | None) -> Iterator[date]:
    """Yield the holes between deliveries: by the sparser one of the rhythms before and after each gap.

    Where neither side is long enough to show one, it is that of `now`, which both sides show together.
    """
    last: Rhythm | None = None
    for at in range(1, len(days)):
        after, before = days[at - 1], days[at]
        if last and last.explains(after, before):
            continue
        last = None
        if before - after == _DAY:
            continue
        if every:
            last = _declared(every, days[max(0, at - _MOST) : at + _MOST])
        else:
            sides = (_shown(days[max(0, at - _MOST) : at], now), _shown(days[at : at + _MOST], now, is_after=True))
            last = min(filter(None, sides), key=lambda side: RHYTHMS.index(side.name), default=now)
        yield from (last or Rhythm("daily")).missing(after, before)


def _shown(near: Sequence[date], now: Rhythm | None = None, *, is_after: bool = False) -> Rhythm | None:
    """Return the rhythm of deliveries, of the last of them first; or of the first ones if they come after a gap.

    A week without its weekend does not tell weekdays from days: that is as `now`, if it is given.
    """
    is_sure = now is None or now.name == "weekdays" or len(near) == _MOST
    for name in RHYTHMS:
        if name == "weekdays" and not (is_sure and all(day.weekday() < 5 for day in near)):
            continue
        for number, share in _EVIDENCE[name]:
            some = near[:number] if is_after else near[-number:]
            is_enough = len(some) >= (_FEWEST if _STEP[name] == 0 else number)
            if is_enough and (some[-1] - some[0]).days >= _STEP[name] * (len(some) - 1):
                rhythm = _anchored(name, some)
                if _fits(rhythm, some, share):
                    return rhythm
    return None


def _fits(rhythm: Rhythm, days: Sequence[date], share: float) -> bool:
    """Return whether the deliveries came on days of their own, on so many of the expected ones at least."""
    if not _STEP[rhythm.name]:
        return len(days) >= share * (1 + sum(1 for _ in rhythm.between(days[0], days[-1] + _DAY)))
    own = [rhythm.own(day) for day in days]
    if any(abs((day - mine).days) > _STRAY[rhythm.name] for day, mine in zip(days, own, strict=True)):
        return False
    expected = 1 + sum(1 for _ in rhythm.between(own[0], own[-1] + _DAY))
    return len(set(own)) == len(days) >= share * expected


def _declared(every: str, days: Sequence[date]) -> Rhythm | None:
    return _anchored(every, days) if every in RHYTHMS else None


def _anchored(name: str, days: Sequence[date]) -> Rhythm:
    """Return the rhythm with the day of the week, or of the month, that is nearest to all of the deliveries."""
    if name not in ("weekly", "monthly"):
        return Rhythm(name)
    found = {day.weekday() for day in days} if name == "weekly" else set(map(_day_of_month, days))
    rhythms = [Rhythm(name, anchor) for anchor in sorted(found)]
    best = min(rhythms, key=lambda rhythm: sum(abs((day - rhythm.own(day)).days) for day in days))
    strays = ((day - best.own(day)).days for day in days)
    return Rhythm(name, best.anchor, max(0, *strays, 0))


def _day_of_month(day: date) -> int:
    """Return the day of the month; the last one is that of every month."""
    return 31 if day.day == monthrange(day.year, day.month)[1] else day.day
