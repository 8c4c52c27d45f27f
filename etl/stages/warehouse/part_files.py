"""Models whose rows are in files: Parquet that is written once, and a view of the files that etl._files names.

A file has the hash of its content in its name: under this name nothing else is found, wherever it comes from. It
is on the disk before the transaction that names it, and is removed when the build names it no more. A view names
its files, never a pattern: what etl._files does not name is not there. Each partition has a file; of a model that
has none, all rows are in one, as if they had no date.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.parquet_types import may_be_wide
from etl.engine.quoting import qualified
from etl.errors import TransformError
from etl.models import Model
from etl.project import Project
from etl.project.files import emptied, flush, link_file, make_folder, sha256
from etl.project.others import RAW
from etl.stages.warehouse.away import away_and_here, wanted_days
from etl.stages.warehouse.by_day import on_days
from etl.stages.warehouse.months import scattered, stems
from etl.stages.warehouse.part_writing import HASH, newest_of, placed, rows_in, staged, together
from etl.stages.warehouse.staged import PartFile, Staged
from etl.stages.warehouse.views import drop
from etl.stages.warehouse.work import Build, Day, State, Work

if TYPE_CHECKING:
    import duckdb

#: What a file is called: by its date or month, and the beginning of the hash of its content.
_OWN = re.compile(rf"(\d{{4,}}-\d\d(-\d\d)?|null)-[0-9a-f]{{{HASH}}}\.parquet")
#: The folder of files that are not whole yet.
_NEW = ".new"


def make(con: duckdb.DuckDBPyConnection, build: Build, todo: Work, state: State) -> int:
    """Write the partitions of `todo`, or all, to files; let the table be a view of all there are.

    Small ones of an old month have a file together. Return its rows. What was there is not touched, since it may
    be the same again if the transaction is undone.
    """
    model, parts = build.model, build.parts
    assert parts
    # in what a failed run has left, the rows of the view are a table
    is_full = drop(con, model.name, "table") or todo.full
    before = known(con, model.name)
    files = {} if is_full else {day: file for day, file in before.items() if day not in todo.looked_at}
    kept = dict(files)
    with _aside(parts) as aside, _explained(model):
        new = list(_staged(con, build, todo, state, aside, is_full=is_full))
        files |= placed(con, model, new, parts / model.name, aside, files)
    for days in _torn(before, kept):
        files |= _together(con, model, parts, files, days)
    for month in scattered(files):
        files |= _together(con, model, parts, files, month)
    return _shown(con, build, before, files)


def make_whole(con: duckdb.DuckDBPyConnection, build: Build, rows: str = "") -> int:
    """Write all rows of a model without partitions to one file; let the table be a view of it. Return its rows.

    `rows` is a SELECT of them, if its own was computed elsewhere.
    """
    model, parts = build.model, build.parts
    assert parts
    drop(con, model.name, "table")
    with _aside(parts) as aside, _explained(model):
        new = staged(con, model, f"(\n{rows or model.sql}\n)", aside / "rows.parquet", is_ordered=True)
        files = placed(con, model, [new], parts / model.name, aside, [])
    return _shown(con, build, known(con, model.name), files)


def _shown(
    con: duckdb.DuckDBPyConnection, build: Build, before: Mapping[Day, PartFile], files: Mapping[Day, PartFile]
) -> int:
    """Let the table be a view of files, which etl._files names then; return its rows."""
    model, parts = build.model, build.parts
    assert parts
    _note(con, model, before, files)
    names = sorted({file.name for file in files.values()})
    rows = rows_in(model.stored, [parts / model.name / name for name in names])
    con.execute(f"create or replace view {qualified(model.name)} as {rows}")
    return sum(file.rows for file in files.values())


def _staged(
    con: duckdb.DuckDBPyConnection,
    build: Build,
    todo: Work,
    state: State,
    aside: Path,
    *,
    is_full: bool,
) -> Iterator[Staged]:
    """Yield files with the rows of partitions that jobs have built, and the run."""
    model = build.model
    others = [] if is_full else [day for day in known(con, model.name) if day not in todo.looked_at]
    away, wheres = away_and_here(con, build, todo, state, is_full=is_full)
    if build.elsewhere and away:
        yield from build.elsewhere.files(con, build, together(away, others))
    days = [day for day in wanted_days(build, todo, state, is_full=is_full) if day not in away]
    for number, where in enumerate(wheres):
        path = aside / f"{number}.parquet"
        yield staged(con, model, f"(\n{model.sql}\n) where {where}", path, is_ordered=len(days) == 1)


def _together(
    con: duckdb.DuckDBPyConnection, model: Model, parts: Path, files: Mapping[Day, PartFile], days: Sequence[Day]
) -> dict[Day, PartFile]:
    """Write partitions again from their files, to as few as may be; return the file of each."""
    there = sorted({parts / model.name / files[day].name for day in days})
    rows = f"({rows_in(model.stored, there)}) where {on_days(model.header.partition, days)[0]}"
    names = stems({day: files[day].rows for day in days}, newest_of(files))
    with _aside(parts) as aside:
        new = staged(con, model, rows, aside / "rows.parquet", is_ordered=len({*names.values()}) == 1)
        return placed(con, model, [new], parts / model.name, aside, files)


def known(con: duckdb.DuckDBPyConnection, model: str) -> dict[Day, PartFile]:
    """Return the file of each partition."""
    query = "select date, file, rows, bytes from etl._files where name = $1"
    return {day: PartFile(*facts) for day, *facts in con.execute(query, [model]).fetchall()}


def _torn(before: Mapping[Day, PartFile], kept: Mapping[Day, PartFile]) -> list[list[Day]]:
    """Return the partitions of each file that stay while others of it are replaced."""
    stay: dict[str, list[Day]] = defaultdict(list)
    for day, file in kept.items():
        stay[file.name].append(day)
    return [stay[name] for name in {before[day].name for day in before.keys() - kept.keys()} if name in stay]


def _note(
    con: duckdb.DuckDBPyConnection, model: Model, before: Mapping[Day, PartFile], files: Mapping[Day, PartFile]
) -> None:
    """Let etl._files name the files of a model, which differ from those that it names."""
    if gone := [day for day, file in before.items() if files.get(day) != file]:
        where = " or ".join(on_days("date", gone))
        con.execute(f"delete from etl._files where name = $1 and ({where})", [model.name])
    if new := {day: file for day, file in files.items() if before.get(day) != file}:
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
    return f"({rows_in(model.stored, files)})"


@contextmanager
def _aside(parts: Path) -> Iterator[Path]:
    """Give an empty folder, which is removed."""
    make_folder(parts)
    try:
        yield emptied(parts / _NEW)
    finally:
        shutil.rmtree(parts / _NEW, ignore_errors=True)


@contextmanager
def _explained(model: Model) -> Iterator[None]:
    """Say what to do about integers that Parquet cannot hold."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        wide = [name for name, type in model.stored if may_be_wide(type)]
        if not wide or "DECIMAL(38,0)" not in str(error):
            raise
        raise TransformError(
            f"{model.place} could not be built: one of {', '.join(wide)} has an integer of more than 38 digits, "
            "which `storage: lake` cannot hold. Cast the column to text or DOUBLE, or remove the line."
        ) from error


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


def is_named(file: Path, sha256: str) -> bool:
    """Return whether the name of a file says that it has this hash."""
    return sha256.startswith(file.stem[-HASH:])


def _brought(project: Project, file: Path, size: int) -> bool:
    """Have a file as the same one that a generation has; return whether one has it."""
    for found in sorted(project.generations.glob(f"[!.]*/{RAW}/*/{file.parent.name}/{file.name}"), reverse=True):
        if found.stat().st_size == size and is_named(file, sha256(found)):
            file.unlink(missing_ok=True)
            if link_file(found, file) != "linked":
                flush(file)
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
