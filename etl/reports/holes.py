"""What is said of days without a delivery; light to import, since the quietest night says it too."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from etl.errors import counted, few
from etl.plan.rhythm import Holes

#: How many of the days are named.
LISTED = 5


def told_holes(holes: Holes, known: Collection[date] = ()) -> str:
    """Return what is to be said of missing deliveries, the newest ones by date; nothing of `known` ones."""
    days = [day for day in holes.days if day not in known]
    return told_days(len(days), days[-LISTED:], holes)


def told_days(number: int, newest: Sequence[date], holes: Holes) -> str:
    """Return what is to be said of so many missing deliveries, of which the newest ones are given."""
    older = f"{counted(number - LISTED, 'earlier day')} and " if number > LISTED else ""
    lacking = f"no delivery for {older}{', '.join(map(str, newest))}" if number else ""
    late = f"late since {holes.late_since} ({holes.rhythm})" if holes.late_since else ""
    return ": ".join(filter(None, [late, lacking]))


def told_late(holes: Mapping[str, Holes]) -> str:
    """Return which sources are late, as the end of a headline."""
    late = [f"{name} since {found.late_since}" for name, found in holes.items() if found.late_since]
    return f"; late: {few(late)}" if late else ""
