"""What is to be audited, as plain data, and which audits there are for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from etl.contract import Contract
from etl.contract.audit import Audit
from etl.contract.audit_kinds import audits_of, check_tables
from etl.sources import Source


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What build.duckdb should hold: fingerprints by table, and what arrived tonight by table.

    `audits` are those of sql/audits and of the models' headers; those of contracts are added by all_audits().
    """

    sources: Sequence[Source]
    contracts: Mapping[str, Contract]
    audits: Sequence[Audit]
    models: Sequence[str]
    tables: Mapping[str, str]
    arrivals: Mapping[str, Sequence[str]]
    #: Rows that break a warn-severity rule of a raw contract, counted when they were extracted.
    warnings: Mapping[str, Mapping[str, int]]
    batch_date: date
    #: Whether what passed before can be taken over: nobody but etl wrote to build.duckdb since.
    is_build_trusted: bool = True
    #: The statements of all macros, by name and in order.
    macros: Mapping[str, str] = field(default_factory=dict)
    #: Optional models that are not there: no audit can read them.
    absent: Collection[str] = ()
    #: The partition columns of models that have one, and of those among them that are replaced by partition.
    partitions: Mapping[str, str] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    #: By table, the columns in lower case that are made of personal data, be it by other names.
    personal: Mapping[str, Collection[str]] = field(default_factory=dict)

    def contract_of(self, table: str) -> Contract | None:
        """Return the contract of a table, raw or built, if it has one."""
        raw = {source.table: source.contract for source in self.sources}
        return self.contracts.get(table, raw.get(table))

    @property
    def by_partition(self) -> dict[str, str]:
        """The partition column of each table, raw or built, that is replaced by partition."""
        return {**self.replaced, **{s.table: s.partition for s in self.sources if s.has_dates}}

    def partition_of(self, table: str) -> str:
        """Return the partition column of a table, raw or built; empty if it has none."""
        raw = {source.table: source.partition for source in self.sources if source.has_dates}
        return {**self.partitions, **raw}.get(table, "")

    def personal_of(self, table: str) -> frozenset[str]:
        """Return the columns of a table, in lower case, that hold personal data or are made of it."""
        contract = self.contract_of(table)
        tagged = {column.name.lower() for column in contract.columns if column.pii} if contract else ()
        return frozenset({*self.personal.get(table, ()), *tagged})

    def all_audits(self) -> list[Audit]:
        """Return every audit once, under a name of its own; without those that a contract checks anyway.

        Raises ModelError for one that reads a table that is not there.
        """
        found: dict[str, Audit] = {}
        for audit in self._asked():
            if not self._is_kept_by_contract(audit) and not self._is_left_out(audit):
                _add(found, audit)
        check_tables(found.values(), self.tables)
        return list(found.values())

    @property
    def left_out(self) -> list[str]:
        """The audits that read an optional model which is not there."""
        return sorted({audit.name for audit in self._asked() if self._is_left_out(audit)})

    def _asked(self) -> list[Audit]:
        tables = [*(source.table for source in self.sources), *self.contracts]
        return [*self.audits, *(audit for table in tables for audit in self._promised(table))]

    def _is_left_out(self, audit: Audit) -> bool:
        return not set(self.absent).isdisjoint(audit.reads)

    def _promised(self, table: str) -> list[Audit]:
        contract = self.contract_of(table)
        if contract is None:
            return []
        return audits_of(table, f"contract {contract.name}", contract.audits, self.partition_of(table))

    def _is_kept_by_contract(self, audit: Audit) -> bool:
        # a raw contract is kept within a partition, and by what was extracted, not by what is loaded
        contract = self.contracts.get(audit.table)
        if contract is None:
            return False
        rules = {rule.sql for rule in contract.rules if rule.severity in ("error", audit.severity)}
        keys = {unique.columns for unique in contract.uniques if unique.severity in ("error", audit.severity)}
        return audit.rule in rules or (audit.name.startswith(f"{audit.table}.unique.") and audit.columns in keys)


def _add(found: dict[str, Audit], audit: Audit) -> None:
    name, number = audit.name, 1
    while audit.name in found:
        same = found[audit.name]
        if (same.sql, same.severity) == (audit.sql, audit.severity):
            return
        number += 1
        audit = replace(audit, name=f"{name}#{number}")
    found[audit.name] = audit
