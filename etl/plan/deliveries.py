"""What is in raw/ and what was taken before, put together: the partitions that the warehouse should hold."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

from etl.errors import DeliveryError
from etl.ledger import Key, Ledger, Receipt, stamp
from etl.ledger.keys import extract_key
from etl.plan.parked import Parking
from etl.plan.repeats import Repeats
from etl.plan.scope import Scope
from etl.plan.settled import Days, may_settle
from etl.project import Project
from etl.project.files import sha256
from etl.sources import Source
from etl.stages import lake, raw
from etl.stages.lake.corrections import corrections_file, corrections_hash, decided_partitions
from etl.stages.raw import Delivery, File, Found, Known

#: A file this young may change again within the same time stamp, so its hash is not remembered.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a run makes of one source: the deliveries to hold, and all that is to be said of the others.

    `withdrawn` are the partitions whose files vanished; `waiting` says why one that is there does not count, and
    `outdated` why one stays as an earlier contract or source took it.
    """

    held: Days
    withdrawn: Sequence[date]
    waiting: Mapping[date, str]
    #: Files that are not loaded, with the reason.
    left_out: Sequence[str]
    #: Files that hold what another one held before.
    repeats: Sequence[str]
    #: What lies in raw/.
    found: Found
    #: Snapshots of a history that the lake does not hold any more.
    lost: Sequence[date] = ()
    #: Those of them whose loss an earlier run has let pass.
    given_up: frozenset[date] = frozenset()
    outdated: Mapping[date, str] = field(default_factory=dict)


class Deliveries:
    """The deliveries to hold, by source and partition; and what became of those that were held before."""

    def __init__(
        self, project: Project, ledger: Ledger, scope: Scope, receipts: Mapping[Key, Receipt], *, run_id: str = ""
    ) -> None:
        self._project, self._scope, self._run_id = project, scope, run_id
        self._hashes = ledger.hashes()
        #: What the hash of each file is known by, by name.
        self._files = {key[0]: key for key in self._hashes}
        self._new_hashes: list[tuple[str, int, int, int, str]] = []
        self._before: dict[str, dict[date, Receipt]] = {}
        for key, receipt in receipts.items():
            if key.step == "extract":
                self._before.setdefault(key.name, {})[date.fromisoformat(key.partition)] = receipt
        #: Fingerprints of partitions that stay as they were taken, whatever lies in raw/ now.
        self.kept: dict[Key, str] = {}
        self._ledger = ledger
        self._parking = Parking(project, ledger, scope)
        self._definitions: dict[tuple[str, str], str] = {}
        self._outdated: dict[str, dict[date, str]] = {}

    def find(self, source: Source) -> Taken:
        """Return what is to be held of one source, and what became of the rest."""
        known = self._before.get(source.name, {})
        repeats = Repeats(source=source, known=known, definition=partial(self._definition, source))
        found, settled = self._look(source, known)
        known = self._before[source.name] = {day: r for day, r in known.items() if day not in settled}
        days, waiting = self._counting(source, found, repeats)
        if source.is_dated:
            held = self._dated(source, days, waiting)
            there = found.complete.keys() | found.incomplete.keys()
            gone = sorted(day for day in known if day not in there and self._scope.takes(source.name, day))
        else:
            held, gone = self._snapshot(source, days, waiting), []
        lost: list[date] = []
        if source.history:
            held, lost = self._with_earlier(source, held)
        given_up = frozenset(day for day in lost if known[day].details.get("given_up"))
        again = repeats.by_day(self._days(source, held, settled))
        if source.connector.same_content == "refuse":
            held |= {day: replace(held[day], problem=text) for day, text in again.items()}
        decided = corrections_hash(self._project, source, held)
        self._check_decided(source, held, decided)
        held |= {day: replace(held[day], corrections=sha256) for day, sha256 in decided.items()}
        waiting = {d: f"{text}; what was taken before stays" if d in held else text for d, text in waiting.items()}
        return Taken(
            held=self._days(source, held, settled),
            withdrawn=gone,
            waiting=waiting,
            left_out=[*found.others, *repeats.left_out],
            repeats=list(again.values()),
            found=replace(found, complete=self._days(source, found.complete, settled)),
            lost=lost,
            given_up=given_up,
            outdated=self._outdated.get(source.name, {}),
        )

    def _look(self, source: Source, receipts: Mapping[date, Receipt]) -> tuple[Found, dict[date, Receipt]]:
        """Return what lies in raw/, but for the partitions that are settled; and the receipts of these."""
        new = {receipt.key.partition for receipt in receipts.values() if receipt.run_id == self._run_id}
        candidates = may_settle(
            self._scope,
            source,
            receipts,
            definition=partial(self._definition, source),
            hashes={name: self._hashes[key] for name, key in self._files.items()},
            unsettled=decided_partitions(self._project, source) | self._parking.partitions(source) | new,
        )
        known = Known({name: self._files[name][1:] for name in candidates})
        found = raw.look(source, source.root(self._project), self._scope.last, time.time_ns(), known)
        return found, dict(candidates[name] for name in known.as_known)

    def _days(self, source: Source, others: Mapping[date, Delivery], settled: Mapping[date, Receipt]) -> Days:
        def make(day: date) -> Delivery:
            key = self._files[settled[day].details["file"]]
            name, size, changed_ns, inode = key
            path = source.root(self._project) / name
            file = File(name, path, size, changed_ns, inode=inode, sha256=self._hashes[key])
            return Delivery(source=source.name, date=day, files=(file,))

        return Days(others, settled, make)

    def remember(self) -> None:
        """Store the new hashes, so that an unchanged file is read only once."""
        self._ledger.remember_hashes(self._new_hashes)

    def _counting(
        self, source: Source, found: Found, repeats: Repeats
    ) -> tuple[dict[date, Delivery], dict[date, str]]:
        """Return the deliveries that count, hashed if they are in the scope, and why others do not."""

        def takes(day: date) -> bool:
            return self._scope.takes(source.name, day) if source.is_dated else self._takes_source(source)

        days = {}
        waiting = {
            day: f"is there but not complete: {text}" for day, text in found.incomplete.items() if takes(day)
        }
        for day, delivery in found.complete.items():
            counting = repeats.counting(self._hashed(delivery)) if takes(day) else delivery
            why = counting if isinstance(counting, str) else takes(day) and self._parking.why(source, counting)
            if why:
                waiting[day] = why
            elif isinstance(counting, Delivery):
                days[day] = counting
        return days, waiting

    def _dated(
        self, source: Source, days: Mapping[date, Delivery], waiting: Mapping[date, str]
    ) -> dict[date, Delivery]:
        known = self._before.get(source.name, {})
        taken = {}
        for day, delivery in days.items():
            if self._scope.takes(source.name, day):
                taken[day] = delivery
            elif day in known and self._is_as_taken(source, known[day]):
                taken[day] = self._keep(delivery, known[day])
            elif day in known:
                # out of scope; but its columns may be others now, or its partition is gone
                taken[day] = self._hashed(delivery)
        for day in known:
            if day not in days and (day in waiting or not self._scope.takes(source.name, day)):
                taken |= self._kept_without_file(source, day, known[day], waiting.get(day))
        return dict(sorted(taken.items()))

    def _snapshot(
        self, source: Source, days: Mapping[date, Delivery], waiting: dict[date, str]
    ) -> dict[date, Delivery]:
        """Return the snapshot to hold; that of an earlier date is never replaced by what came later."""
        known = self._before.get(source.name, {})
        # the one that came last, whatever batch date its run was given; run ids sort by time
        newest = max(known, key=lambda day: (known[day].run_id, day), default=None)
        delivery = next((d for d in days.values() if self._takes_source(source)), None)
        if newest is None:
            return {} if delivery is None else {delivery.date: delivery}
        if delivery is None:
            # what came stays when its file goes: a snapshot's lake is the record of it
            return self._kept_without_file(source, newest, known[newest], next(iter(waiting.values()), None))
        details = known[newest].details
        # what was refused while accepted rows stay is not to be tried each night
        if delivery.sha256 != details.get("tried", details)["sha256"]:
            there = known.get(delivery.date)
            is_kept = there is not None and there.outcome != "refused" and self._is_in_lake(source, delivery.date)
            if delivery.date == newest or not is_kept:
                return {delivery.date: delivery}
            waiting[delivery.date] = (
                f"has a snapshot, which is kept, since nothing could bring it back: {delivery.file} came later. "
                "A night of a later date takes it"
            )
            return self._kept_without_file(source, newest, known[newest], waiting[delivery.date])
        return {newest: replace(delivery, date=newest)}

    def _with_earlier(self, source: Source, held: dict[date, Delivery]) -> tuple[dict[date, Delivery], list[date]]:
        """Return what is to be held with the earlier snapshots, and those that the lake has lost.

        Their files are gone, so they stay as they were taken, whatever the contract says now.
        """
        known = self._before.get(source.name, {})
        earlier = {day: known[day] for day in known.keys() - held.keys() if known[day].outcome != "refused"}
        lost = [day for day in earlier if not self._is_in_lake(source, day)]
        kept = {day: self._as_taken(source, day, earlier[day]) for day in earlier.keys() - set(lost)}
        return dict(sorted({**kept, **held}.items())), sorted(lost)

    def _check_decided(self, source: Source, held: Mapping[date, Delivery], decided: Mapping[date, str]) -> None:
        """Raise DeliveryError if the file of decisions that a partition was taken with is gone."""
        known = self._before.get(source.name, {})
        for day in held.keys() & known.keys() - decided.keys():
            if known[day].details.get("corrections") and extract_key(source.name, day) not in self.kept:
                file = corrections_file(self._project, source, day)
                raise DeliveryError(
                    f"{source.name} {day}: {file} is gone. It held what people decided about rejected "
                    "records. Is a folder not mounted? Restore the file: nothing else has these decisions. To do "
                    f"without them: mkdir -p {file.parent} && touch {file}"
                )

    def _definition(self, source: Source, day: date) -> str:
        key = (source.name, source.since(day))
        if key not in self._definitions:
            self._definitions[key] = lake.definition(source.at(day), self._project.settings.timezone)
        return self._definitions[key]

    def _is_as_taken(self, source: Source, receipt: Receipt) -> bool:
        day = date.fromisoformat(receipt.key.partition)
        is_there = all(
            receipt.details[base.name] == stamp(lake.partition_file(base, source, day))
            for base in (self._project.lake, self._project.quarantine)
        )
        return is_there and bool(receipt.details["definition"] == self._definition(source, day))

    def _takes_source(self, source: Source) -> bool:
        return self._scope.takes_source(source.name)

    def _keep(self, delivery: Delivery, receipt: Receipt) -> Delivery:
        """Return a delivery as it was taken, whatever its files are now."""
        self.kept[extract_key(delivery.source, delivery.date)] = receipt.fingerprint
        name, sha256 = receipt.details["file"], receipt.details["sha256"]
        taken = File(name, delivery.files[0].raw / name, 0, 0, inode=delivery.files[0].inode, sha256=sha256)
        return replace(delivery, files=(taken,))

    def _is_in_lake(self, source: Source, day: date) -> bool:
        """Return whether the lake has a partition, as the source lays it out now."""
        return lake.partition_file(self._project.lake, source, day).exists()

    def _kept_without_file(
        self, source: Source, day: date, receipt: Receipt, waiting: str | None = None
    ) -> dict[date, Delivery]:
        """Return a delivery as it was taken; if it would be taken in another way now, that is to be said."""
        if not self._is_in_lake(source, day):
            return {}
        file = receipt.details["file"]
        if receipt.details["definition"] != self._definition(source, day) and not source.history:
            self._outdated.setdefault(source.name, {})[day] = (
                "stays as it was taken before the contract or the source changed, since "
                f"{self._why_kept(source, file, waiting)}"
            )
        return {day: self._as_taken(source, day, receipt)}

    def _why_kept(self, source: Source, file: str, waiting: str | None) -> str:
        if waiting:
            return f"what is in {source.home}/ now {waiting}. Have it delivered again"
        if source.fetch is None and (self._project.fetched / file).exists():
            return f"{file} was fetched, and the source has no fetch= now. Put it back, or have it delivered"
        return f"{file} is gone from {source.home}/. Have it delivered again"

    def _as_taken(self, source: Source, day: date, receipt: Receipt) -> Delivery:
        """Return a delivery whose files are gone."""
        file = receipt.details["file"]
        gone = File(file, source.root(self._project) / file, 0, 0, inode=0)
        return self._keep(Delivery(source=source.name, date=day, files=(gone,)), receipt)

    def _hashed(self, delivery: Delivery) -> Delivery:
        # without replace(), which takes three times as long: it is done for every partition of every night
        files = tuple(
            File(f.name, f.path, f.size, f.changed_ns, inode=f.inode, sha256=self._sha256(delivery, f))
            for f in delivery.files
        )
        return Delivery(source=delivery.source, date=delivery.date, files=files)

    def _sha256(self, delivery: Delivery, file: File) -> str:
        known = self._hashes.get(file.stat_key)
        if known is None:
            known = self._hashes[file.stat_key] = self._read(delivery, file)
            if time.time_ns() - file.changed_ns > _SETTLED_NS:
                self._new_hashes.append((*file.stat_key, known))
        return known

    def _read(self, delivery: Delivery, file: File) -> str:
        try:
            return sha256(file.path, file.raw)
        except OSError as error:
            where = f"{delivery.source} {delivery.date}: {file.name}"
            raise DeliveryError(
                f"{where} cannot be read: {error}. Fix its permissions, or deliver it again."
            ) from error
