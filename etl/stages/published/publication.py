"""What is to be published, as plain data: the code that made it, and what is promised of its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from etl.contract import Contract
from etl.models import Model
from etl.sources import Source
from etl.stages.published.export import Export
from etl.stages.published.notes import Notes


@dataclass(frozen=True, kw_only=True)
class Publication:
    """An audited candidate; `fingerprint` stands for all code and inputs that it was made from."""

    fingerprint: str
    models: Sequence[Model] = ()
    sources: Sequence[Source] = ()
    #: The contracts of built tables.
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    #: The fingerprint of each source, model, contract and audit.
    definitions: Mapping[str, str] = field(default_factory=dict)
    #: The columns that name a row of a table, by an audit of its header.
    unique: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: Whether git knows all of the code.
    is_committed: bool = True
    #: Whether it is published even if a rollback holds it.
    force: bool = False

    @property
    def partitions(self) -> dict[str, str]:
        """The partition column of each table that is replaced by partition."""
        models = {m.name: m.header.partition for m in self.models if m.kind.is_partitioned}
        return models | {source.table: source.partition for source in self.sources}

    @property
    def keys(self) -> dict[str, Sequence[str]]:
        """The columns that name a row, of each table of which that is promised."""
        found = {source.table: _raw_key(source) for source in self.sources}
        for model in self.models:
            promised = self.contracts[model.name].uniques if model.name in self.contracts else ()
            unique = next((item.columns for item in promised if item.severity == "error"), ())
            found[model.name] = model.kind.key(model) or unique or self.unique.get(model.name, ())
        return {table: key for table, key in found.items() if key}

    def exports(self, notes: Mapping[str, Notes]) -> list[Export]:
        """Return the models that go to the lake too."""
        return [Export(model, notes.get(model.name, Notes())) for model in self.models if model.header.export]


def _raw_key(source: Source) -> Sequence[str]:
    unique = next((item.columns for item in source.contract.uniques if item.severity == "error"), ())
    # what is unique in a raw contract is so within a partition, and of a snapshot the table holds one
    return tuple(dict.fromkeys((source.partition, *unique))) if unique and source.has_dates else tuple(unique)
