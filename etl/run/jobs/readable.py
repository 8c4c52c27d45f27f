"""What a job may read: files of the lake that are what build.duckdb holds. What reads more is built by the run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from etl.engine.parquet_types import refused
from etl.ledger import Key, Receipt, stamp
from etl.ledger.keys import extract_key
from etl.models import Model, Models
from etl.models.inputs import stored
from etl.project import Project
from etl.project.files import sha256
from etl.run.jobs.part import Input, Read
from etl.sources import Source
from etl.stages.lake.layout import partition_file

if TYPE_CHECKING:
    import duckdb

#: What only tables have.
_ROW_NUMBER = re.compile(r"\browid\b", re.IGNORECASE)


def why_here(model: Model, models: Models, sources: Mapping[str, Source]) -> str:
    """Return why jobs cannot build partitions of a model, as what it does; empty if they can."""
    if not (model.kind.is_partitioned and model.by_date):
        return f"is built in full: {model.why_full}" if model.why_full else "is not built by date"
    if model.is_in_files:
        return "has its partitions in files, which the run writes"
    for table in sorted(stored(model.reads, models.models)):
        source = sources.get(table.removeprefix("raw."))
        if table in models.models:
            return f"reads {table}, which is a table and no files"
        if source is None or source.table != table:
            return f"reads {table}, which the run keeps"
        if source.history:
            return f"reads {table}, whose snapshots stay as they were taken"
    texts = [model.sql, *(models.models[view].sql for view in models.views_under[model.name])]
    if any(_ROW_NUMBER.search(text) for text in [*texts, *(sql for _, sql in model.macros)]):
        return "reads rowid, which only tables have"
    kept = [(name, refused(type)) for name, type in model.stored]
    return next(
        (f"has the column {name} with a {type}, which Parquet cannot hold" for name, type in kept if type), ""
    )


def uses(model: Model, models: Models) -> list[tuple[str, str]]:
    """Return the statements of the views under a model and of all macros, each after what it needs."""
    found: list[tuple[str, str]] = []
    under = set(models.views_under[model.name])
    for view in (one for one in models.models.values() if one.name in under):
        found += view.macros
        found.append((view.name, f"create view {view.name} as\n{view.sql}"))
    return [*found, *model.macros]


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """A partition as build.duckdb holds it: the fingerprint of what it was loaded with, its rows, and when."""

    fingerprint: str
    rows: int
    loaded_at: int


@dataclass(kw_only=True)
class Readable:
    """The files of the lake that raw tables were loaded from, as far as they are still the same."""

    con: duckdb.DuckDBPyConnection
    project: Project
    receipts: Mapping[Key, Receipt]
    #: The partitions of each source that stay as an earlier contract accepted them.
    outdated: Mapping[str, Iterable[date]]
    _loaded: dict[str, dict[date, _Loaded]] = field(default_factory=dict)
    _inputs: dict[tuple[str, date], Input] = field(default_factory=dict)

    def days(self, source: Source) -> list[date]:
        """Return the partitions with rows, in order."""
        return sorted(day for day, held in self._held(source).items() if held.rows)

    def is_same(self, source: Source, days: Iterable[date]) -> bool:
        """Return whether the files of partitions hold what was loaded of them, by receipts and stamps."""
        return all(self._is_same(source, day) for day in days)

    def size(self, source: Source, day: date) -> int:
        """Return the bytes of the file of a partition."""
        return int(self._receipt(source, day).details["lake"][0])

    def read(self, source: Source, days: Iterable[date]) -> Read:
        """Return how a job reads these partitions of a source."""
        return Read(source.table, source.columns, source.partition, [self._input(source, day) for day in days])

    def _held(self, source: Source) -> dict[date, _Loaded]:
        if source.name not in self._loaded:
            query = (
                "select l.date, fingerprint, coalesce(rows, 0), epoch_us(loaded_at) from etl._loaded as l "
                "left join etl.partitions as p on p.source = l.source and p.date = l.date where l.source = $1"
            )
            self._loaded[source.name] = {
                day: _Loaded(fingerprint=text, rows=rows, loaded_at=loaded_at)
                for day, text, rows, loaded_at in self.con.execute(query, [source.name]).fetchall()
            }
        return self._loaded[source.name]

    def _is_same(self, source: Source, day: date) -> bool:
        receipt = self.receipts.get(extract_key(source.name, day))
        return (
            receipt is not None
            and receipt.outcome == "done"
            and receipt.fingerprint == self._held(source)[day].fingerprint
            and day not in self.outdated.get(source.name, ())
            and receipt.details.get("lake") == stamp(partition_file(self.project.lake, source, day))
        )

    def _receipt(self, source: Source, day: date) -> Receipt:
        return self.receipts[extract_key(source.name, day)]

    def _input(self, source: Source, day: date) -> Input:
        if (source.name, day) not in self._inputs:
            file, loaded = partition_file(self.project.lake, source, day), self._held(source)[day]
            name = str(file.relative_to(self.project.lake))
            found = Input(name, str(day), loaded.loaded_at, self.size(source, day), sha256(file))
            self._inputs[source.name, day] = found
        return self._inputs[source.name, day]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The sources that a model reads: by date, with so many days before each, or all of them."""

    by_date: Sequence[Source]
    whole: Sequence[Source]
    lookback: int

    @classmethod
    def of(cls, model: Model, models: Models, sources: Mapping[str, Source]) -> Inputs:
        """Return the inputs of a model for which why_here() says nothing."""
        names = sorted(stored(model.reads, models.models))
        found = [(name in model.by_date, sources[name.removeprefix("raw.")]) for name in names]
        daily, whole = ([source for is_daily, source in found if is_daily is wanted] for wanted in (True, False))
        return cls(by_date=daily, whole=whole, lookback=model.header.lookback)

    def needed(self, readable: Readable, days: Iterable[date]) -> Iterator[tuple[Source, list[date]]]:
        """Yield each source with its partitions that partitions of the model are built from."""
        reached = {day - timedelta(back) for day in days for back in range(self.lookback + 1)}
        for source in self.by_date:
            yield source, [day for day in readable.days(source) if day in reached]
        for source in self.whole:
            yield source, readable.days(source)
