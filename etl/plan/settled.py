"""Partitions that stay as they were taken, told by names, stats and receipts: none of them costs an object."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date

from etl.ledger import Receipt
from etl.plan.scope import Scope
from etl.sources import Source
from etl.stages.raw import Delivery


class Days(Mapping[date, Delivery]):
    """Deliveries by date, in order; those that are `settled` are made of receipt and file when they are asked for.

    `settled` are receipts of partitions of which file, contract and source are as they were: only whether their
    rows are still in the lake is to be looked at. The `others` were looked at one by one.
    """

    def __init__(
        self,
        others: Mapping[date, Delivery],
        settled: Mapping[date, Receipt] | None = None,
        make: Callable[[date], Delivery] | None = None,
    ) -> None:
        self.others, self.settled, self._make = others, settled or {}, make
        self._made: dict[date, Delivery] = {}
        self._days = sorted([*others, *self.settled])

    def __getitem__(self, day: date) -> Delivery:
        if day in self.others:
            return self.others[day]
        if day in self.settled and day not in self._made and self._make:
            self._made[day] = self._make(day)
        return self._made[day]

    def __iter__(self) -> Iterator[date]:
        return iter(self._days)

    def __len__(self) -> int:
        return len(self._days)

    def __contains__(self, day: object) -> bool:
        return day in self.others or day in self.settled


def may_settle(
    scope: Scope,
    source: Source,
    receipts: Mapping[date, Receipt],
    *,
    definition: Callable[[date], str],
    hashes: Mapping[str, str],
    unsettled: Collection[str],
) -> dict[str, tuple[date, Receipt]]:
    """Return the partitions, with their receipts and by their file, that stay as they are if their file does.

    `definition` returns the fingerprint of what decides what becomes of the delivery of a day; `hashes` are those
    of files as they were found before. Whatever else may say something of a partition leaves it out: that it is
    among the `unsettled`, content that must be that of no other date, an outcome or decisions that are to be told.
    """
    is_plain = source.is_dated and not source.history and source.connector.same_content != "refuse"
    if not is_plain or scope.force or not scope.takes_source(source.name):
        return {}
    first, last, same = scope.first, scope.last, definition(date.max) if len(source.variants) == 1 else None
    found = {}
    for day, receipt in receipts.items():
        facts = receipt.details
        if (
            receipt.outcome == "done"
            and facts.get("definition") == (same or definition(day))
            and hashes.get(facts["file"]) == facts["sha256"]
            and first <= day <= last
            and not facts.get("corrections")
            and receipt.key.partition not in unsettled
        ):
            found[facts["file"]] = (day, receipt)
    return found
