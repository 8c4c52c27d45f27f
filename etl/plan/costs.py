"""How many rows something will have and how long it will take, judged by what it had and took before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from statistics import median

from etl.ledger.keys import extract_key, load_key
from etl.plan.plan import Plan
from etl.stages.warehouse import Built, Day, Part

#: What is new is taken to be like the last so many.
_LAST = 7


def rows_of_deliveries(plan: Plan, source: str, days: Iterable[date]) -> int | None:
    """Return how many rows some deliveries of a source will have; None if there is none to judge by."""
    known = _receipts(plan, source, "rows")
    counts = [known.get(day, typical(known.values())) for day in days]
    return None if None in counts else round(sum(filter(None, counts)))


def seconds_of_deliveries(plan: Plan, source: str, days: Sequence[date]) -> float | None:
    """Return how long it will take to extract `days` of a source, one after the other, and to load it."""
    each = typical(_receipts(plan, source, "seconds").values())
    loaded = plan.receipts.get(load_key(source))
    if each is None:
        return None
    share = min(1.0, len(days) / max(1, loaded.details["loaded"])) if loaded else 0.0
    return each * len(days) + (loaded.seconds * share if loaded else 0.0)


def rows_of_partitions(before: Mapping[Day, Part], days: Sequence[Day]) -> int | None:
    """Return how many rows some partitions of a model will have; None if they were never counted."""
    known = {day: part.rows for day, part in before.items() if day and part.rows}
    counts = [known.get(day, typical(known.values())) for day in days if day]
    return None if None in counts else round(sum(filter(None, counts)))


def seconds_of_partitions(built: Built, before: Mapping[Day, Part], days: Sequence[Day]) -> float:
    """Return how long a model will take for some partitions: what it took last, or its share of a full build."""
    if built.seconds != built.full_seconds:
        return built.seconds
    return built.full_seconds * min(1.0, len(days) / max(1, len(before)))


def typical(values: Iterable[float | None]) -> float | None:
    """Return the median of the last ones, None if there are none."""
    last = [value for value in values if value is not None][-_LAST:]
    return median(last) if last else None


def _receipts(plan: Plan, source: str, what: str) -> dict[date, float | None]:
    """Return rows or seconds of the partitions that were extracted before, in the order of their dates."""
    found = {}
    mine = (key.partition for key in plan.receipts if key[:2] == ("extract", source))
    for day in map(date.fromisoformat, sorted(mine)):
        receipt = plan.receipts[extract_key(source, day)]
        found[day] = (receipt.seconds or None) if what == "seconds" else float(receipt.details["rows"])
    return found
