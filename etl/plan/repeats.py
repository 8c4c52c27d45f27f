"""What the content of deliveries says about them: nothing at all in it, or the same as in another one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from etl.ledger import Receipt
from etl.plan.settled import Days
from etl.sources import Source
from etl.stages.lake.empty import is_empty
from etl.stages.raw import Delivery, File


@dataclass(kw_only=True)
class Repeats:
    """The deliveries of one source, looked at by the hashes of their files; `known` are the receipts of before."""

    source: Source
    known: Mapping[date, Receipt]
    #: The fingerprint of what decides what becomes of the deliveries of a day.
    definition: Callable[[date], str]
    #: Whether a content has no records, by its hash.
    _empty: dict[str, bool] = field(default_factory=dict)
    #: Files that are left out of their delivery, with the reason.
    left_out: list[str] = field(default_factory=list)

    def counting(self, delivery: Delivery) -> Delivery | str:
        """Return a hashed delivery without the files that are not loaded, or why nothing of it counts."""
        files = self._filled(delivery)
        if not files:
            return f"is there but empty: {delivery.file}"
        files = self._distinct(delivery, files)
        return delivery if files == delivery.files else replace(delivery, files=files)

    def by_day(self, held: Days) -> dict[date, str]:
        """Return the partitions, in order, that hold the content of an earlier one: which file of which."""
        if self.source.connector.same_content == "allow" or not self.source.is_dated:
            return {}
        first: dict[str, File] = {}
        found: dict[date, str] = {}
        for day in _with_same_content(held):
            for file in held[day].files:
                before = first.setdefault(file.sha256, file)
                if before is not file and day not in found and not self._is_empty(day, file):
                    found[day] = f"{file.name} has the content of {before.name}"
        return found

    def _filled(self, delivery: Delivery) -> tuple[File, ...]:
        if self.source.empty != "skip" or self._was_taken(delivery):
            return delivery.files
        files = tuple(file for file in delivery.files if not self._is_empty(delivery.date, file))
        if files:
            self.left_out += [f"{file.name} is empty" for file in delivery.files if file not in files]
        return files

    def _distinct(self, delivery: Delivery, files: tuple[File, ...]) -> tuple[File, ...]:
        if self.source.connector.same_content != "warn" or len(files) == 1:
            return files
        first: dict[str, File] = {}
        for file in files:
            before = first.setdefault(file.sha256, file)
            if before is not file and not self._is_empty(delivery.date, file):
                self.left_out.append(f"{file.name} has the content of {before.name}")
        return tuple(file for file in files if first[file.sha256] is file or self._is_empty(delivery.date, file))

    def _was_taken(self, delivery: Delivery) -> bool:
        """Return whether every file of it was looked at before, by the same words, and found to count."""
        receipt = self.known.get(delivery.date)
        if receipt is None or receipt.details["definition"] != self.definition(delivery.date):
            return False
        return bool(receipt.details["sha256"] == delivery.sha256)

    def _is_empty(self, day: date, file: File) -> bool:
        """Return whether a file has no records, from the receipt that proves it if there is one."""
        receipt = self.known.get(day)
        if file.sha256 not in self._empty:
            is_known = receipt is not None and receipt.details["sha256"] == file.sha256
            is_none = (
                receipt.details["records"] == 0 if receipt and is_known else is_empty(self.source.at(day), file)
            )
            self._empty[file.sha256] = is_none
        return self._empty[file.sha256]


def _with_same_content(held: Days) -> list[date]:
    """Return the partitions, in order, of which a file has the content of another one."""
    hashes = [(day, receipt.details["sha256"]) for day, receipt in held.settled.items()]
    hashes += [(day, file.sha256) for day, delivery in held.others.items() for file in delivery.files]
    counts = Counter(sha256 for _, sha256 in hashes)
    return sorted({day for day, sha256 in hashes if counts[sha256] > 1})
