"""Exports: tables of the audited candidate as Parquet files, for readers without DuckDB.

Each generation has all files of its exports. Those whose rows are as they were in the generation before are the
same files, by hard links; only the others are written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from etl.engine.parquet_types import may_be_wide, stored_as
from etl.engine.quoting import identifier, literal, qualified
from etl.errors import PublishError, sentence
from etl.ledger import fingerprint
from etl.models import Model
from etl.project.files import flush, link_file, make_read_only
from etl.stages.published.manifest import Exported, read_manifest, write_manifest
from etl.stages.published.notes import Notes
from etl.stages.published.switching import LAKE
from etl.stages.warehouse import copy_by_day, on_days, read_hashes, row_hashes

if TYPE_CHECKING:
    import duckdb

#: Raise it when the same rows would now make other files.
EXPORT_VERSION = 2
#: What readers of partitioned Parquet take for null.
_NULL = "__HIVE_DEFAULT_PARTITION__"
_DATA = "data.parquet"

Day = date | None


@dataclass(frozen=True)
class Export:
    """A model whose table goes to the lake, with what is known of it."""

    model: Model
    notes: Notes
    #: Columns whose integers have more than 38 digits somewhere: they are text in all files.
    wide: frozenset[str] = frozenset()

    @property
    def partition(self) -> str:
        """The column that its files are divided by; empty if it is one file."""
        return self.model.header.partition if self.model.kind.is_partitioned else ""

    @property
    def metadata(self) -> str:
        """The KV_METADATA of its files, as SQL."""
        values = {"table": self.model.name, "description": self.notes.description, "owner": self.notes.owner}
        values |= {"columns": json.dumps(self.notes.columns, ensure_ascii=False)} if self.notes.columns else {}
        return (
            "{" + ", ".join(f"{identifier(name)}: {literal(text)}" for name, text in values.items() if text) + "}"
        )

    @property
    def definition(self) -> str:
        """The fingerprint of all that is in the files but for the rows."""
        types = [exact for _, type, exact in self._types() if exact != type]
        return fingerprint(self.model.stored, self.partition, self.metadata, EXPORT_VERSION, types)

    @property
    def columns(self) -> str:
        """The columns for a SELECT: what Parquet cannot hold exactly is cast to what it can."""
        columns = []
        for name, type, exact in self._types():
            cast = f"cast({identifier(name)} as {exact}) as " if exact != type else ""
            columns.append(f"{cast}{identifier(name)}")
        return ", ".join(columns)

    def _types(self) -> list[tuple[str, str, str]]:
        """Return each column with its type, and the one as which it goes to the files."""
        return [(name, type, stored_as(type, name in self.wide)) for name, type in self.model.stored]

    def file(self, day: Day) -> str:
        """Return the path of a partition's file below the folder of the table."""
        return f"{quote(self.partition, safe='')}={day or _NULL}/{_DATA}" if self.partition else _DATA


def export(
    con: duckdb.DuckDBPyConnection, exports: Iterable[Export], generation: Path, before: Path | None
) -> dict[str, int]:
    """Write the exports of a generation that is being made; return how many files of each are new.

    `before` is an earlier generation, whose files are kept where their rows are the same.
    """
    import duckdb

    known = read_manifest(before) if before else {}
    done: dict[str, Exported] = {}
    written: dict[str, int] = {}
    for item in (replace(item, wide=_wide(con, item.model)) for item in exports):
        name = item.model.name
        folders = [base / LAKE / Path(*name.split(".")) for base in (generation, before or generation)]
        try:
            done[name], new = _export(con, item, folders[0], folders[1], known.get(name))
        except duckdb.Error as error:
            raise PublishError(f"{item.model.place} could not be exported: {sentence(str(error))}") from error
        written[name] = len(new)
        _flush(folders[0], new)
    if manifest := write_manifest(generation, done):
        flush(manifest)
    return written


def _wide(con: duckdb.DuckDBPyConnection, model: Model) -> frozenset[str]:
    """Return the columns of a table with integers of more than 38 digits."""
    found = set()
    for name, type in model.stored:
        if may_be_wide(type):
            value, exact = identifier(name), stored_as(type)
            is_wide = f"try_cast({value} as {exact})::{type} is distinct from {value}"
            query = f"select exists(from {qualified(model.name)} where {is_wide})"
            found |= {name} if con.execute(query).fetchall()[0][0] else set()
    return frozenset(found)


def _export(
    con: duckdb.DuckDBPyConnection, item: Export, folder: Path, old: Path, known: Exported | None
) -> tuple[Exported, Sequence[str]]:
    """Make the files of one table; return what they are, and which of them are new."""
    folder.mkdir(parents=True)
    query = "select version from etl._builds where name = $1"
    version = str(con.execute(query, [item.model.name]).fetchall()[0][0])
    before = known.files if known and known.definition == item.definition else {}
    kept = {name: text for name, text in before.items() if (old / name).exists()}
    if known and kept and kept.keys() == known.files.keys() and known.version == version:
        parts: dict[Day, str] = {}
        files = dict(kept)
    else:
        parts = _parts(con, item, version)
        files = {item.file(day): text for day, text in parts.items()}
    stale = {day: item.file(day) for day, text in parts.items() if kept.get(item.file(day)) != text}
    new = set(stale.values())
    for name in files.keys() - new:
        link_file(old / name, folder / name)
    _write(con, item, folder, stale)
    return Exported(item.definition, version, files), sorted(new)


def _parts(con: duckdb.DuckDBPyConnection, item: Export, version: str) -> dict[Day, str]:
    """Return the version of each partition that has rows; of a table without partitions, its own."""
    if not item.partition:
        return {None: version}
    column, table = identifier(item.partition), qualified(item.model.name)
    counts = dict(con.execute(f"select {column}, count(*) from {table} group by all").fetchall())
    query = "select date, version, rows from etl._partitions where name = $1"
    # of a model that is built in full, what all of it was built from is the version of each partition
    noted = con.execute(query, [item.model.name]).fetchall() if item.model.by_date else []
    parts = {day: str(text) for day, text, rows in noted if text and counts.get(day) == rows}
    if unknown := sorted(counts.keys() - parts.keys(), key=str):
        where = " or ".join(on_days(item.partition, unknown))
        hashes = row_hashes(con, item.model.name, item.model.stored)
        select = f"select {column}, {hashes} from {table} where {where} group by all"
        parts |= dict(read_hashes(con, select, len(item.model.stored)))
    # without any rows there is a file all the same, so that readers find the columns
    return parts or {None: version}


def _write(con: duckdb.DuckDBPyConnection, item: Export, folder: Path, files: Mapping[Day, str]) -> None:
    """Write the files of partitions, or of a table that has none."""
    rows = f"select {item.columns} from {qualified(item.model.name)}"
    targets = {day: folder / name for day, name in files.items()}
    copy_by_day(con, rows, item.partition, targets, folder / ".new", f"kv_metadata {item.metadata}")


def _flush(folder: Path, names: Sequence[str]) -> None:
    """Have new files on the disk, read-only."""

    def settle(name: str) -> None:
        make_read_only(folder / name)
        flush(folder / name)

    # a disk takes many at once in the time of a few
    with ThreadPoolExecutor() as pool:
        list(pool.map(settle, names))
