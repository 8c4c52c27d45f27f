"""Models whose partitions are files: Parquet that is written once, and a view of the files that etl._files names.

A file has the hash of its content in its name: under this name nothing else is found, wherever it comes from. It
is on the disk before the transaction that names it, and is removed when the build names it no more. A view names
its files, never a pattern: what etl._files does not name is not there.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from etl.engine.parquet_types import may_be_wide, stored_as
from etl.engine.quoting import identifier, literal, paths, qualified
from etl.errors import TransformError
from etl.models import Model
from etl.project import Project
from etl.project.files import (
    flush,
    flush_together,
    link_file,
    make_folder,
    make_read_only,
    private,
    put,
    sha256,
)
from etl.project.others import RAW
from etl.stages.warehouse.by_day import copy_by_day, on_days
from etl.stages.warehouse.months import scattered, stems
from etl.stages.warehouse.views import drop
from etl.stages.warehouse.work import Day, Work

if TYPE_CHECKING:
    import duckdb

#: What a file is called: by its date or month, and the beginning of the hash of its content.
_HASH = 32
_OWN = re.compile(rf"(\d{{4,}}-\d\d(-\d\d)?|null)-[0-9a-f]{{{_HASH}}}\.parquet")
#: The folder of files that are not whole yet.
_NEW = ".new"


class PartFile(NamedTuple):
    """The file of a model's partition: its name, the rows of the partition, and the bytes of the whole file."""

    name: str
    rows: int
    bytes: int


def make(con: duckdb.DuckDBPyConnection, model: Model, todo: Work, parts: Path) -> int:
    """Write the partitions of `todo`, or all, to files below `parts`; let the table be a view of all there are.

    Those of an old month have a file together. Return its rows. What was there is not touched, since it may be the
    same again if the transaction is undone.
    """
    # in what a failed run has left, the rows of the view are a table
    is_full = drop(con, model.name, "table") or todo.full
    known = _known(con, model)
    files = {} if is_full else {day: file for day, file in known.items() if day not in todo.looked_at}
    kept = dict(files)
    for where in ["true"] if is_full else on_days(model.header.partition, todo.looked_at):
        files |= _written(con, model, f"(\n{model.sql}\n) where {where}", parts, files)
    for days in _torn(known, kept):
        files |= _together(con, model, parts, files, days)
    for month in scattered({day: file.name for day, file in files.items()}):
        files |= _together(con, model, parts, files, month)
    _note(con, model, known, files)
    names = sorted({file.name for file in files.values()})
    rows = _rows(model, [parts / model.name / name for name in names])
    con.execute(f"create or replace view {qualified(model.name)} as {rows}")
    return sum(file.rows for file in files.values())


def _together(
    con: duckdb.DuckDBPyConnection, model: Model, parts: Path, files: Mapping[Day, PartFile], days: Sequence[Day]
) -> dict[Day, PartFile]:
    """Write partitions again from their files, as few as may be; return the file of each."""
    there = sorted({parts / model.name / files[day].name for day in days})
    where = on_days(model.header.partition, days)[0]
    source = f"read_parquet({paths(there)}, hive_partitioning = false) where {where}"
    return _written(con, model, source, parts, files)


def _known(con: duckdb.DuckDBPyConnection, model: Model) -> dict[Day, PartFile]:
    """Return the file of each partition."""
    query = "select date, file, rows, bytes from etl._files where name = $1"
    return {day: PartFile(*facts) for day, *facts in con.execute(query, [model.name]).fetchall()}


def _torn(known: Mapping[Day, PartFile], kept: Mapping[Day, PartFile]) -> list[list[Day]]:
    """Return the partitions of each file that stay while others of it are replaced."""
    stay: dict[str, list[Day]] = defaultdict(list)
    for day, file in kept.items():
        stay[file.name].append(day)
    return [stay[name] for name in {known[day].name for day in known.keys() - kept.keys()} if name in stay]


def _note(
    con: duckdb.DuckDBPyConnection, model: Model, known: Mapping[Day, PartFile], files: Mapping[Day, PartFile]
) -> None:
    """Let etl._files name the files of a model, which differ from those that it names."""
    if gone := [day for day, file in known.items() if files.get(day) != file]:
        where = " or ".join(on_days("date", gone))
        con.execute(f"delete from etl._files where name = $1 and ({where})", [model.name])
    if new := {day: file for day, file in files.items() if known.get(day) != file}:
        con.execute(
            "insert into etl._files select $1, unnest($2)::date, unnest($3), unnest($4), unnest($5)",
            [model.name, list(new), *map(list, zip(*new.values(), strict=True))],
        )


def forget_files(con: duckdb.DuckDBPyConnection, model: str) -> None:
    """Drop the view of a model that is to have a table; its files are named no more."""
    drop(con, model, "view")
    con.execute("delete from etl._files where name = $1", [model])


def rows_of(con: duckdb.DuckDBPyConnection, model: Model, parts: Path, days: Sequence[Day] | None) -> str:
    """Return the rows of partitions (None: all) as SQL, of their files alone, which may have others too."""
    where = "true" if days is None else " or ".join(on_days("date", days))
    query = f"select distinct file from etl._files where name = $1 and ({where}) order by all"
    files = [parts / model.name / name for (name,) in con.execute(query, [model.name]).fetchall()]
    return f"({_rows(model, files)})"


def _rows(model: Model, files: Sequence[Path]) -> str:
    """Return the SELECT of the rows in files, with the columns and types of the table."""
    value = "r.{}" if files else "null"
    columns = ", ".join(
        f"cast({value.format(identifier(name))} as {type}) as {identifier(name)}" for name, type in model.stored
    )
    source = f"from read_parquet({paths(files)}, hive_partitioning = false) as r" if files else "where false"
    return f"select {columns} {source}"


def _written(
    con: duckdb.DuckDBPyConnection, model: Model, source: str, parts: Path, others: Mapping[Day, PartFile]
) -> dict[Day, PartFile]:
    """Write the rows of a FROM to files, one for each date or old month; return the file of each partition.

    The partitions that the table has besides are `others`.
    """
    columns = ", ".join(
        f"cast({identifier(name)} as {stored_as(type)}) as {identifier(name)}" for name, type in model.stored
    )
    with _aside(parts) as aside:
        staged = aside / "rows.parquet"
        with _explained(model):
            con.execute(f"copy (select {columns} from {source}) to {literal(str(staged))} (format parquet)")
        rows, column = f"from read_parquet({paths([staged])}, hive_partitioning = false)", model.header.partition
        query = f"select {identifier(column)}, count(*) {rows} group by all"
        counts: dict[Day, int] = dict(con.execute(query).fetchall())
        newest = max((day for day in (*counts, *others) if day), default=None)
        files = {day: aside / f"{stem}.parquet" for day, stem in stems(counts, newest).items()}
        if len({*files.values()}) == 1:
            os.rename(staged, next(iter(files.values())))
        else:
            copy_by_day(con, rows, column, files, aside / "by_day")
        placed = _put({*files.values()}, parts / model.name)
        sizes = {file: placed[file].stat().st_size for file in placed}
        return {day: PartFile(placed[files[day]].name, rows, sizes[files[day]]) for day, rows in counts.items()}


@contextmanager
def _aside(parts: Path) -> Iterator[Path]:
    """Give an empty folder, which is removed."""
    make_folder(parts)
    shutil.rmtree(parts / _NEW, ignore_errors=True)
    try:
        yield private(parts / _NEW)
    finally:
        shutil.rmtree(parts / _NEW, ignore_errors=True)


@contextmanager
def _explained(model: Model) -> Iterator[None]:
    """Say what to do about integers that Parquet cannot hold."""
    import duckdb

    try:
        yield
    except duckdb.ConversionException as error:
        wide = [name for name, type in model.stored if may_be_wide(type)]
        if not wide or "DECIMAL(38,0)" not in str(error):
            raise
        raise TransformError(
            f"{model.place} could not be built: one of {', '.join(wide)} has an integer of more than 38 digits, "
            "which `storage: lake` cannot hold. Cast the column to text or DOUBLE, or remove the line."
        ) from error


def _put(files: Collection[Path], folder: Path) -> dict[Path, Path]:
    """Have files on the disk, below a folder and named by their content, where nobody writes to them."""
    for file in files:
        make_read_only(file)
    flush_together(list(files))
    make_folder(folder)
    found = {}
    for file in files:
        found[file] = folder / f"{file.stem}-{sha256(file)[:_HASH]}.parquet"
        put(file, found[file], is_flushed=True)
    flush(folder)
    return found


def restore_parts(con: duckdb.DuckDBPyConnection, project: Project) -> list[str]:
    """Have each file that build.duckdb names, from a generation if need be; return models that still lack one."""
    query = "select name, file, bytes from etl._files group by all order by all"
    lost, held = set(), {}
    for name, file, size in con.execute(query).fetchall():
        folder = project.parts / name
        if name not in held:
            held[name] = _sizes(folder)
        if held[name].get(file) != size and not _brought(project, folder / file, size):
            lost.add(name)
    return sorted(lost)


def _sizes(folder: Path) -> dict[str, int]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _brought(project: Project, file: Path, size: int) -> bool:
    """Have a file as the same one that a generation has; return whether one has it."""
    for found in sorted(project.generations.glob(f"[!.]*/{RAW}/*/{file.parent.name}/{file.name}"), reverse=True):
        if found.stat().st_size == size and sha256(found).startswith(file.stem[-_HASH:]):
            file.unlink(missing_ok=True)
            link_file(found, file)
            flush(file.parent)
            return True
    return False


def tidy_parts(con: duckdb.DuckDBPyConnection, project: Project) -> None:
    """Remove the files that the build names no more, and what a killed run has left."""
    query = "select name, list(distinct file) from etl._files group by name"
    named: dict[str, Iterable[str]] = dict(con.execute(query).fetchall())
    with suppress(FileNotFoundError):
        for name in os.listdir(project.parts):
            folder = project.parts / name
            if name == _NEW:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            for file in _sizes(folder).keys() - set(named.get(name, ())):
                if _OWN.fullmatch(file):
                    (folder / file).unlink()
            with suppress(OSError):
                folder.rmdir()
        with suppress(OSError):
            project.parts.rmdir()
