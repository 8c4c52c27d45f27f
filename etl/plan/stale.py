"""The fingerprint of every step, and which steps are stale: their receipt, or what they made, is another."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property

from etl.contract.audit_kinds import AUDIT_KINDS
from etl.ledger import FAILED, Key, Ledger, Receipt, fingerprint, stamp
from etl.ledger.keys import AUDIT, BUILD, PUBLISH, extract_key, load_key, transform_key
from etl.models import LOG_NAMES, PARTITIONS, Models
from etl.plan.scope import Scope
from etl.plan.settled import Days
from etl.plan.views import will_be_view
from etl.project import Project
from etl.sources import Catalog, Source
from etl.stages import lake
from etl.stages.lake.layout import partition_path
from etl.stages.published import EXPORT_VERSION, are_files_whole, current, read_hold
from etl.stages.warehouse import LAYOUT

#: The deliveries to hold, by source and partition.
Held = Mapping[str, Days]

#: What stands between a fingerprint and the run in which an optional model failed.
_AFTER = " after "

#: Why a step is stale whose receipt is for another fingerprint.
CHANGED = "its definition or its input changed"


def fingerprints(
    project: Project,
    catalog: Catalog,
    models: Models,
    held: Held,
    kept: Mapping[Key, str],
    batch_date: date,
    ledger: Ledger,
    receipts: Mapping[Key, Receipt],
) -> dict[Key, str]:
    """Return the fingerprint of every step, upstream ones first; `kept` are those known already."""
    prints: dict[Key, str] = {}
    tables: dict[str, str] = {}
    settings = project.settings
    for name, source in catalog.sources.items():
        extracted = _of_partitions(source, held[name], kept, settings.timezone)
        prints |= extracted
        days = {key.partition: print for key, print in extracted.items()}
        columns = [(c.name, c.type) for c in source.contract.columns]
        masks = [source.masks] if source.history or source.masks else []
        tables[source.table] = prints[load_key(name)] = fingerprint(
            source.partition, source.extra, columns, days, *masks
        )
    code = definitions_of(models, settings.timezone)
    for model in models.models.values():
        log = {read: _log(read, prints, ledger, batch_date) for read in model.reads if read in LOG_NAMES}
        upstream = {read: tables[read] for read in model.reads if read not in log} | log
        key = transform_key(model.name)
        prints[key] = _again(fingerprint(code[model.name], upstream), receipts.get(key))
        tables[model.name] = prints[key]
    contracts = {name: contract.to_dict() for name, contract in catalog.tables.items()}
    audits = {name: (audit.normal, audit.severity) for name, audit in models.audits.items()}
    notes = {name: model.notes for name, model in models.models.items()}
    notes |= {s.table: (s.contract.description, s.contract.notes()) for s in catalog.sources.values()}
    raw = {s.table: [asdict(audit) for audit in s.contract.audits] for s in catalog.sources.values()}
    promises = (contracts, audits, {table: asked for table, asked in raw.items() if asked})
    macros = {name: macro.normal for name, macro in models.macros.items()}
    notes = {name: note for name, note in notes.items() if any(note)}
    audited = fingerprint(tables, *promises, notes, macros)
    # what passed one night can fail the next, with nothing new to publish
    prints[AUDIT] = fingerprint(audited, str(batch_date)) if is_dated(catalog, models) else audited
    exports = [(m.name, m.header.export) for m in models.models.values() if m.header.export]
    views = [source.table for source in catalog.sources.values() if source.is_view]
    prints[PUBLISH] = fingerprint(
        audited,
        exports,
        EXPORT_VERSION,
        settings.storage_version,
        *([views, settings.publish_raw] if views else []),
    )
    return prints


def _of_partitions(source: Source, held: Days, kept: Mapping[Key, str], timezone: str) -> dict[Key, str]:
    """Return the fingerprint of each partition of a source; that of a settled one is in its receipt."""
    definitions = {v.since: lake.definition(source.at(v.since), timezone) for v in source.variants}
    prints = {receipt.key: receipt.fingerprint for receipt in held.settled.values()}
    for day, delivery in held.others.items():
        key = extract_key(source.name, day)
        told = filter(None, [delivery.problem, delivery.corrections])
        facts = (delivery.file, str(day), delivery.sha256, *told)
        prints[key] = kept.get(key) or fingerprint(definitions[source.since(day)], *facts)
    return prints


def _again(print: str, receipt: Receipt | None) -> str:
    """Return a model's fingerprint: if it failed, another one, so that it and all below it are done again."""
    if receipt and receipt.outcome == FAILED:
        return f"{print}{_AFTER}{receipt.run_id}"
    if receipt and receipt.fingerprint.partition(_AFTER)[0] == print:
        return receipt.fingerprint
    return print


def _log(table: str, prints: Mapping[Key, str], ledger: Ledger, batch_date: date) -> str:
    """Return the fingerprint of a table of the log, as a run of that date reads it."""
    if table == PARTITIONS:
        return fingerprint({str(key): text for key, text in prints.items() if key.step == "load"})
    return fingerprint(ledger.counts_before(str(batch_date)))


def is_dated(catalog: Catalog, models: Models) -> bool:
    """Return whether an audit depends on the batch date, so that each date has its own."""
    contracts = [*(source.contract for source in catalog.sources.values()), *catalog.tables.values()]
    asked = {one.kind for contract in contracts for one in contract.audits}
    return any(AUDIT_KINDS[kind].is_dated for kind in asked) or any(
        audit.is_dated for audit in models.audits.values()
    )


def definitions_of(models: Models, timezone: str) -> dict[str, str]:
    """Return the fingerprint of each model's own code, with that of the views that it reads."""
    found: dict[str, str] = {}
    for model in models.models.values():
        views = {name: found[name] for name in models.views_under[model.name]}
        own = (
            model.normal,
            model.header.building(),
            model.columns,
            model.by_date,
            model.whole,
            model.snapshots,
            model.added,
        )
        found[model.name] = fingerprint(own, views, timezone)
    return found


@dataclass(frozen=True, kw_only=True)
class Staleness:
    """What is compared to tell which steps are to be done."""

    project: Project
    scope: Scope
    catalog: Catalog
    models: Models
    held: Held
    prints: Mapping[Key, str]
    receipts: Mapping[Key, Receipt]
    withdrawn: Mapping[str, Sequence[date]]
    #: The stamps of the partitions' files, by path, if they were looked at just now.
    stamps: Mapping[str, list[int]] | None = None
    #: What somebody has cleared, with the run since which it counts as done again.
    cleared: Mapping[Key, str] = field(default_factory=dict)
    _listed: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def find(self) -> tuple[dict[Key, str], frozenset[Key]]:
        """Return the stale steps with the reason, and those that only `force`, or clearing, makes stale."""
        stale: dict[Key, str] = {}
        forced: set[Key] = set()
        intact, written = self.is_build_intact(), self._as_written()
        for key in self.prints:
            if key in written:
                continue
            reason = self._reason(key, intact)
            if self._is_cleared(key) or (not reason and self._is_forced(key, forced)):
                forced.add(key)
                # what was extracted since is loaded all the same: nobody knows whether it was
                why = "" if self._is_extracted_since(key) else "forced" if self.scope.force else "cleared"
                reason = reason or why
            if reason:
                stale[key] = reason
        return stale, frozenset(forced)

    def _reason(self, key: Key, intact: bool) -> str:
        receipt = self.receipts.get(key)
        if receipt is None:
            return "never done"
        if receipt.outcome == FAILED:
            return "it failed, and is tried again"
        if receipt.fingerprint != self.prints[key]:
            return CHANGED
        if key.step == "extract":
            return self._extract_reason(key, receipt)
        if key == PUBLISH:
            return self._publish_reason(receipt)
        if key.step == "load" and ("as" in receipt.details) != (key.name in self.views):
            return CHANGED
        if key.step == "load" and self.withdrawn[key.name]:
            return "partitions were withdrawn"
        return "" if intact else "build.duckdb is not as it was left"

    def _publish_reason(self, receipt: Receipt) -> str:
        if not self.project.warehouse.is_symlink() or not self.project.warehouse.is_file():
            return "nothing is published"
        is_same = current(self.project) == receipt.details["generation"]
        if is_same and self.project.warehouse.stat().st_size != receipt.details.get("bytes"):
            return "the published file is not as it was written"
        # an older receipt says nothing of views, but its fingerprint does
        if receipt.details.get("views", self.views) != self.views:
            return "a raw table becomes a view over the lake, or a table again"
        if self.scope.publish_held and read_hold(self.project):
            return "what a rollback holds is to be published"
        return "" if are_files_whole(self.project) else "an export or a large model is not as it was published"

    def _extract_reason(self, key: Key, receipt: Receipt) -> str:
        source, day = self.catalog.sources[key.name], date.fromisoformat(key.partition)
        # without its file, it is what the lake holds: nothing could be extracted again
        is_in_raw = self.held[key.name][day].is_in_raw
        for name, base in self._bases if is_in_raw else ():
            if self._stamp(base, source, key.partition) != receipt.details[name]:
                return f"{base} does not hold it as it was written"
        return ""

    def _as_written(self) -> set[Key]:
        """Return the settled partitions that lake and quarantine hold as they were written."""
        found: set[Key] = set()
        for name, held in self.held.items():
            source, (lake, quarantine) = self.catalog.sources[name], self._bases
            for receipt in held.settled.values():
                key, facts = receipt.key, receipt.details
                # a run that took it again has left another receipt
                if self.receipts.get(key) is receipt and key not in self.cleared:
                    day = key.partition
                    is_whole = self._stamp(lake[1], source, day) == facts[lake[0]]
                    if is_whole and self._stamp(quarantine[1], source, day) == facts[quarantine[0]]:
                        found.add(key)
        return found

    def _stamp(self, base: str, source: Source, day: str) -> list[int]:
        """Return the stamp of a partition's file; most have none in quarantine, where no folder has their name."""
        path = partition_path(base, source, day)
        if self.stamps is not None:
            return self.stamps.get(path, [])
        names = self._names(f"{base}/{source.name}")
        return stamp(path) if names is None or path.split("/")[-2] in names else []

    def _names(self, folder: str) -> frozenset[str] | None:
        """Return the names in a folder; None if it cannot be listed."""
        if folder not in self._listed:
            try:
                self._listed[folder] = frozenset(os.listdir(folder))
            except FileNotFoundError:
                self._listed[folder] = frozenset()
            except OSError:
                self._listed[folder] = None
        return self._listed[folder]

    @cached_property
    def _bases(self) -> list[tuple[str, str]]:
        return [(base.name, str(base)) for base in (self.project.lake, self.project.quarantine)]

    @cached_property
    def views(self) -> list[str]:
        """The sources whose raw tables are to be views over the lake, as far as is known before the run."""
        settings, held, receipts = self.project.settings, self.held, self.receipts
        sources = self.catalog.sources.items()
        return sorted(name for name, s in sources if will_be_view(settings, s, held[name], receipts))

    def is_build_intact(self) -> bool:
        """Return whether build.duckdb is as the last run left it."""
        receipt = self.receipts.get(BUILD)
        there = stamp(self.project.build)
        wal = self.project.build.with_name(self.project.build.name + ".wal")
        if receipt is None or receipt.details.get("layout") != LAYOUT:
            return False
        return there != [] and receipt.details["stamp"] == there and not wal.exists()

    def _is_extracted_since(self, key: Key) -> bool:
        # run ids sort by time
        since = max(self.scope.since, "" if self.scope.force else self.cleared.get(key, ""))
        receipt = self.receipts.get(key)
        return since != "" and key.step == "extract" and receipt is not None and receipt.run_id >= since

    def _is_cleared(self, key: Key) -> bool:
        if key.step != "extract" or key not in self.cleared:
            return key in self.cleared
        day = date.fromisoformat(key.partition)
        # without its file, it is what the lake holds: nothing could be extracted again
        return self.scope.takes(key.name, day) and self.held[key.name][day].is_in_raw

    def _is_forced(self, key: Key, forced: set[Key]) -> bool:
        if not self.scope.force:
            # what is cleared is so with all that depends on it
            return False
        if key.step == "extract":
            day = date.fromisoformat(key.partition)
            return self.scope.takes(key.name, day) and self.held[key.name][day].is_in_raw
        if key.step == "load":
            return any(extract_key(key.name, day) in forced for day in self.held[key.name])
        if key.step == "transform":
            loads = {source.table: load_key(name) for name, source in self.catalog.sources.items()}
            reads = self.models.models[key.name].reads
            return any(loads.get(read, transform_key(read)) in forced for read in reads)
        return bool(forced)
