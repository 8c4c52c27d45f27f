"""What is in raw/ and what was taken before, put together: the partitions that the warehouse should hold."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from etl.contract import Source
from etl.errors import DeliveryError
from etl.keys import extract_key
from etl.ledger import Key, Ledger, Receipt, stamp
from etl.project import Project
from etl.stages import lake, raw
from etl.stages.raw import Delivery

#: A file this young may change again within the same time stamp, so its hash is not remembered.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class Scope:
    """Which deliveries a run takes: those from `first` to `last`, of one source if `source` is given.

    `force` does their steps, and those that depend on them, even if nothing changed. `allow_withdrawn` names
    the sources (with commas) of which any number of partitions may vanish.
    """

    last: date
    first: date = date.min
    source: str = ""
    force: bool = False
    allow_withdrawn: str = ""

    def takes(self, source: str, day: date) -> bool:
        """Return whether a delivery is in the scope."""
        return self.first <= day <= self.last and self.source in ("", source)


class Deliveries:
    """The deliveries to hold, by source and partition; and what became of those that were held before."""

    def __init__(self, project: Project, ledger: Ledger, scope: Scope, receipts: Mapping[Key, Receipt]) -> None:
        self._project, self._scope = project, scope
        self._hashes = ledger.hashes()
        self._new_hashes: list[tuple[str, int, int, int, str]] = []
        self._before: dict[str, dict[date, Receipt]] = {}
        for key, receipt in receipts.items():
            if key.step == "extract":
                self._before.setdefault(key.name, {})[date.fromisoformat(key.partition)] = receipt
        #: Fingerprints of partitions that stay as they were taken, whatever lies in raw/ now.
        self.kept: dict[Key, str] = {}
        self._ledger = ledger

    def find(self, source: Source) -> tuple[dict[date, Delivery], list[date]]:
        """Return the deliveries to hold of one source, and the partitions whose files vanished from raw/."""
        found = raw.find(source, self._project.raw, self._scope.last)
        if not source.is_dated:
            return self._snapshot(source, found), []
        known = self._before.get(source.name, {})
        gone = [day for day in known if day not in found and self._scope.takes(source.name, day)]
        return self._dated(source, found), sorted(gone)

    def remember(self) -> None:
        """Store the new hashes, so that an unchanged file is read only once."""
        self._ledger.remember_hashes(self._new_hashes)

    def _dated(self, source: Source, found: dict[date, Delivery]) -> dict[date, Delivery]:
        known = self._before.get(source.name, {})
        definition = lake.definition(source, self._project.settings.timezone)
        taken = {}
        for day, delivery in found.items():
            if self._scope.takes(source.name, day):
                taken[day] = self._hashed(delivery)
            elif day in known and self._is_as_taken(source, known[day], definition):
                taken[day] = self._keep(delivery, known[day])
            elif day in known:
                # out of scope; but its columns may be others now, or its partition is gone
                taken[day] = self._hashed(delivery)
        for day in known:
            if day not in found and not self._scope.takes(source.name, day):
                taken |= self._kept_without_file(source, day, known[day])
        return dict(sorted(taken.items()))

    def _snapshot(self, source: Source, found: dict[date, Delivery]) -> dict[date, Delivery]:
        known = self._before.get(source.name, {})
        # the one that came last, whatever batch date its run was given; run ids sort by time
        newest = max(known, key=lambda day: (known[day].run_id, day), default=None)
        if newest is None or (found and self._is_new(source, found, known[newest])):
            return {d.date: self._hashed(d) for d in found.values() if self._takes_source(source)}
        if found and self._takes_source(source):
            (delivery,) = found.values()
            return {newest: replace(self._hashed(delivery), date=newest)}
        # what came stays when its file goes: a snapshot's lake is the record of it
        return self._kept_without_file(source, newest, known[newest])

    def _is_new(self, source: Source, found: dict[date, Delivery], newest: Receipt) -> bool:
        (delivery,) = found.values()
        return self._takes_source(source) and self._hashed(delivery).sha256 != newest.details["sha256"]

    def _is_as_taken(self, source: Source, receipt: Receipt, definition: str) -> bool:
        day = date.fromisoformat(receipt.key.partition)
        is_there = all(
            receipt.details[base.name] == stamp(lake.partition_file(base, source, day))
            for base in (self._project.lake, self._project.quarantine)
        )
        return is_there and bool(receipt.details["definition"] == definition)

    def _takes_source(self, source: Source) -> bool:
        return self._scope.source in ("", source.name)

    def _keep(self, delivery: Delivery, receipt: Receipt) -> Delivery:
        self.kept[extract_key(delivery.source, delivery.date)] = receipt.fingerprint
        return replace(delivery, sha256=receipt.details["sha256"])

    def _kept_without_file(self, source: Source, day: date, receipt: Receipt) -> dict[date, Delivery]:
        if not lake.partition_file(self._project.lake, source, day).exists():
            return {}
        file = receipt.details["file"]
        if receipt.details["definition"] != lake.definition(source, self._project.settings.timezone):
            raise DeliveryError(
                f"{source.name} {day}: the contract or the source changed, but {file} is gone from raw/, so it "
                "cannot be taken by what they say now. Have it delivered again."
            )
        return {day: self._keep(Delivery(source.name, day, file, self._project.raw / file, 0, 0, 0), receipt)}

    def _hashed(self, delivery: Delivery) -> Delivery:
        known = self._hashes.get(delivery.stat_key)
        if known is None:
            known = self._hashes[delivery.stat_key] = self._sha256(delivery)
            if time.time_ns() - delivery.changed_ns > _SETTLED_NS:
                self._new_hashes.append((*delivery.stat_key, known))
        return replace(delivery, sha256=known)

    def _sha256(self, delivery: Delivery) -> str:
        try:
            return raw.sha256(delivery.path)
        except OSError as error:
            where = f"{delivery.source} {delivery.date}: {delivery.file}"
            raise DeliveryError(
                f"{where} cannot be read: {error}. Mend its permissions or deliver it anew."
            ) from error
