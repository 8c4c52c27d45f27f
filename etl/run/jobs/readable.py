"""What a job may read: files that are what build.duckdb holds. What reads more is built by the run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

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
from etl.stages.warehouse import part_files
from etl.stages.warehouse.staged import PartFile
from etl.stages.warehouse.work import Day

if TYPE_CHECKING:
    import duckdb

#: What only tables have.
_ROW_NUMBER = re.compile(r"\browid\b", re.IGNORECASE)


def why_here(model: Model, models: Models, sources: Mapping[str, Source]) -> str:
    """Return why jobs cannot build partitions of a model, as what it does; empty if they can."""
    if not (model.kind.is_partitioned and model.by_date):
        return f"is built in full: {model.why_full}" if model.why_full else "is not built by date"
    for table in sorted(stored(model.reads, models.models)):
        source = sources.get(table.removeprefix("raw."))
        if table in models.models:
            if models.models[table].is_in_files and models.models[table].kind.is_partitioned:
                continue
            return f"reads {table}, which is a table and no partitions in files"
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


class Table(Protocol):
    """A table that jobs can read, since it is files."""

    def days(self) -> Sequence[Day]:
        """Return the partitions with rows, in order."""

    def is_same(self, days: Iterable[Day]) -> bool:
        """Return whether the files of partitions hold what build.duckdb has of them."""

    def size(self, day: Day) -> int:
        """Return the bytes of a partition."""

    def read(self, days: Iterable[Day]) -> Read:
        """Return how a job reads these partitions."""


@dataclass(kw_only=True)
class Readable:
    """What jobs of a run can read of build.duckdb."""

    con: duckdb.DuckDBPyConnection
    project: Project
    receipts: Mapping[Key, Receipt]
    #: The partitions of each source that stay as an earlier contract accepted them.
    outdated: Mapping[str, Iterable[date]]
    _raw: dict[str, Table] = field(default_factory=dict)
    #: The hashes of files, which are never written to.
    _hashes: dict[Path, str] = field(default_factory=dict)

    def raw(self, source: Source) -> Table:
        """Return the raw table of a source, whose files are in the lake."""
        if source.name not in self._raw:
            self._raw[source.name] = _Raw(readable=self, source=source)
        return self._raw[source.name]

    def parts(self, model: Model) -> Table:
        """Return the table of a model whose partitions are files, as it is now."""
        return _Parts(readable=self, model=model, files=part_files.known(self.con, model.name))

    def input(self, file: Path, size: int, day: str = "", loaded_at: int = 0) -> Input:
        """Return a file as a job is told of it."""
        return Input(str(file.relative_to(self.project.data)), day, loaded_at, size, self.hash(file))

    def hash(self, file: Path) -> str:
        """Return the hash of a file."""
        if file not in self._hashes:
            self._hashes[file] = sha256(file)
        return self._hashes[file]


@dataclass(kw_only=True)
class _Raw:
    """A raw table, as far as the files of the lake that it was loaded from are still the same."""

    readable: Readable
    source: Source

    def days(self) -> Sequence[Day]:
        return sorted(day for day, held in self._held.items() if held.rows)

    def is_same(self, days: Iterable[Day]) -> bool:
        return all(self._is_same(day) for day in days if day)

    def size(self, day: Day) -> int:
        assert day
        return int(self._receipt(day).details["lake"][0])

    def read(self, days: Iterable[Day]) -> Read:
        files = [
            self.readable.input(self._file(day), self.size(day), str(day), self._held[day].loaded_at)
            for day in days
            if day
        ]
        return Read(self.source.table, self.source.columns, self.source.partition, files)

    @cached_property
    def _held(self) -> Mapping[date, _Loaded]:
        query = (
            "select l.date, fingerprint, coalesce(rows, 0), epoch_us(loaded_at) from etl._loaded as l "
            "left join etl.partitions as p on p.source = l.source and p.date = l.date where l.source = $1"
        )
        rows = self.readable.con.execute(query, [self.source.name]).fetchall()
        return {day: _Loaded(fingerprint=text, rows=count, loaded_at=at) for day, text, count, at in rows}

    def _is_same(self, day: date) -> bool:
        receipt = self.readable.receipts.get(extract_key(self.source.name, day))
        return (
            receipt is not None
            and receipt.outcome == "done"
            and receipt.fingerprint == self._held[day].fingerprint
            and day not in self.readable.outdated.get(self.source.name, ())
            and receipt.details.get("lake") == stamp(self._file(day))
        )

    def _receipt(self, day: date) -> Receipt:
        return self.readable.receipts[extract_key(self.source.name, day)]

    def _file(self, day: date) -> Path:
        return partition_file(self.readable.project.lake, self.source, day)


@dataclass(kw_only=True)
class _Parts:
    """The table of a model whose partitions are files, several of them together where months are old."""

    readable: Readable
    model: Model
    files: Mapping[Day, PartFile]

    def days(self) -> Sequence[Day]:
        return sorted(self.files, key=lambda day: (day is None, day or date.min))

    def is_same(self, days: Iterable[Day]) -> bool:
        # its name says what a file holds
        return all(part_files.is_named(self._path(day), self.readable.hash(self._path(day))) for day in days)

    def size(self, day: Day) -> int:
        return self.files[day].bytes // self._together[self.files[day].name]

    def read(self, days: Iterable[Day]) -> Read:
        sizes = {self._path(day): self.files[day].bytes for day in days}
        files = [self.readable.input(file, sizes[file]) for file in sorted(sizes)]
        return Read(self.model.name, dict(self.model.stored), "", files, is_model=True)

    @cached_property
    def _together(self) -> Mapping[str, int]:
        return Counter(file.name for file in self.files.values())

    def _path(self, day: Day) -> Path:
        return self.readable.project.parts / self.model.name / self.files[day].name


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The tables that a model reads: by date, with so many days before each, or all of them."""

    by_date: Sequence[Table]
    whole: Sequence[Table]
    lookback: int

    @classmethod
    def of(cls, model: Model, models: Models, sources: Mapping[str, Source], readable: Readable) -> Inputs:
        """Return the inputs of a model for which why_here() says nothing."""
        known = models.models
        tables = {
            name: readable.parts(known[name])
            if name in known
            else readable.raw(sources[name.removeprefix("raw.")])
            for name in sorted(stored(model.reads, known))
        }
        daily, whole = (
            [table for name, table in tables.items() if (name in model.by_date) is wanted]
            for wanted in (True, False)
        )
        return cls(by_date=daily, whole=whole, lookback=model.header.lookback)

    @property
    def of_dates(self) -> Inputs:
        """The inputs of which other partitions are read by each."""
        return replace(self, whole=[])

    def needed(self, days: Iterable[date]) -> Iterator[tuple[Table, Sequence[Day]]]:
        """Yield each table with its partitions that partitions of the model are built from."""
        reached = {day - timedelta(back) for day in days for back in range(self.lookback + 1)}
        for table in self.by_date:
            yield table, [day for day in table.days() if day in reached]
        for table in self.whole:
            yield table, table.days()
