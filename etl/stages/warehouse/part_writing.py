"""Writing partitions of models to files of Parquet: the same rows make the same bytes, whoever writes them.

Rows are written in the order of all columns, as the types of the table order them. So the name of a file, which is
of its content, is the same after another build, with other threads, and by a job on another machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.parquet_types import stored_as
from etl.engine.quoting import identifier, literal, paths
from etl.models import Model
from etl.project.files import flush, flush_together, make_folder, make_read_only, put, sha256
from etl.stages.warehouse.by_day import copy_by_day, on_days
from etl.stages.warehouse.months import stems
from etl.stages.warehouse.staged import PartFile, Staged
from etl.stages.warehouse.work import Day

if TYPE_CHECKING:
    import duckdb

#: So much of the hash of its content is in the name of a file.
HASH = 32


def parquet_columns(model: Model) -> list[tuple[str, str]]:
    """Return the columns of the files of a model, with the types as which they are there."""
    return [(name, stored_as(type)) for name, type in model.stored]


def copy_in_order(
    con: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[tuple[str, str]], path: Path
) -> int:
    """Write the rows of a FROM in the order of all columns, each as its type for Parquet; return how many."""
    names, nulls = ", ".join(identifier(name) for name, _ in columns), ", ".join("null" for _ in columns)
    # a column without nulls is written in another way if DuckDB knows so: let it never know
    nullable = f"(select {names} from {rows} union all select {nulls} from range(0))"
    ordered = f"(select * from {nullable} order by all)"
    found = con.execute(f"copy ({_as_stored(columns, ordered)}) to {literal(str(path))} (format parquet)")
    return int(found.fetchall()[0][0])


def staged(con: duckdb.DuckDBPyConnection, model: Model, rows: str, path: Path, *, is_ordered: bool) -> Staged:
    """Write the rows of a FROM to a file: in order if it can be the one of its partitions, else as they come."""
    columns = parquet_columns(model)
    if is_ordered:
        copy_in_order(con, rows, columns, path)
    else:
        con.execute(f"copy ({_as_stored(columns, rows)}) to {literal(str(path))} (format parquet)")
    return Staged(path, is_ordered)


def together(days: Collection[Day], others: Collection[Day]) -> list[list[Day]]:
    """Return the partitions of each file that those of `days` would have, if they are small."""
    found: dict[str, list[Day]] = defaultdict(list)
    for day, stem in stems(dict.fromkeys(days, 0), newest_of([*days, *others])).items():
        found[stem].append(day)
    return list(found.values())


def placed(
    con: duckdb.DuckDBPyConnection,
    model: Model,
    given: Sequence[Staged],
    folder: Path,
    aside: Path,
    others: Collection[Day],
) -> dict[Day, PartFile]:
    """Have all rows of staged files in a folder; return the file of each partition.

    Each has its own, or small ones of an old month have one together. A staged file that is what its partitions
    need is only renamed. The folder `aside` is private.
    """
    held = _held(con, model, given)
    counts: dict[Day, int] = defaultdict(int)
    for rows in held.values():
        for day, count in rows.items():
            counts[day] += count
    wanted: dict[str, dict[Day, int]] = defaultdict(dict)
    for day, stem in stems(counts, newest_of([*counts, *others])).items():
        wanted[stem][day] = counts[day]
    ready = {
        stem: one for stem, days in wanted.items() for one in given if one.is_ordered and held[one.path] == days
    }
    left = {day: stem for stem, days in wanted.items() if stem not in ready for day in days}
    ready |= _split(con, model, [one for one in given if one not in ready.values()], left, aside)
    files = _put(ready, folder)
    for one in given:
        one.path.unlink(missing_ok=True)
    return {
        day: PartFile(files[stem].name, count, files[stem].stat().st_size)
        for stem, days in wanted.items()
        for day, count in days.items()
    }


def newest_of(days: Collection[Day]) -> date | None:
    """Return the newest of partitions, if any has a date."""
    return max((day for day in days if day), default=None)


def rows_in(columns: Iterable[tuple[str, str]], files: Sequence[Path]) -> str:
    """Return the SELECT of the rows in files, with the columns and types of a table."""
    value = "r.{}" if files else "null"
    items = ", ".join(
        f"cast({value.format(identifier(name))} as {type}) as {identifier(name)}" for name, type in columns
    )
    source = f"from read_parquet({paths(files)}, hive_partitioning = false) as r" if files else "where false"
    return f"select {items} {source}"


def _as_stored(columns: Sequence[tuple[str, str]], rows: str) -> str:
    casts = ", ".join(f"cast({identifier(name)} as {type}) as {identifier(name)}" for name, type in columns)
    return f"select {casts} from {rows}"


def _held(con: duckdb.DuckDBPyConnection, model: Model, given: Sequence[Staged]) -> Mapping[Path, dict[Day, int]]:
    """Return the rows of each partition in each file."""
    column = identifier(model.header.partition) if model.kind.is_partitioned else "null::date"
    found: dict[Path, dict[Day, int]] = {one.path: {} for one in given}
    # no model has a column of this name by accident
    file, source = identifier("file of rows"), paths(list(found))
    query = (
        f"select {file}, {column}, count(*) "
        f"from read_parquet({source}, hive_partitioning = false, filename = 'file of rows') group by all"
    )
    for name, day, rows in con.execute(query).fetchall() if given else ():
        found[Path(name)][day] = rows
    return found


def _split(
    con: duckdb.DuckDBPyConnection, model: Model, given: Sequence[Staged], left: Mapping[Day, str], aside: Path
) -> Iterator[tuple[str, Staged]]:
    """Yield a file in order of each that partitions of staged files need, by its name."""
    if not left:
        return
    source = f"from read_parquet({paths([one.path for one in given])}, hive_partitioning = false)"
    column, names = model.header.partition, [*dict.fromkeys(left.values())]
    parts = {name: [day for day in left if left[day] == name] for name in names}
    whole = aside / "whole"
    make_folder(whole)
    split = {name: [one.path for one in given] for name in names}
    if len(names) > 1:
        copy_by_day(con, source, column, {day: whole / left[day] for day in left}, aside / "by_day")
        split = {name: [whole / name] for name in names}
    for name, days in parts.items():
        path, where = aside / f"{name}.parquet", " or ".join(on_days(column, days))
        rows = f"({rows_in(model.stored, split[name])}) where {where}"
        copy_in_order(con, rows, parquet_columns(model), path)
        (whole / name).unlink(missing_ok=True)
        yield name, Staged(path)


def _put(files: Mapping[str, Staged], folder: Path) -> dict[str, Path]:
    """Have files on the disk, below a folder and named by their content, where nobody writes to them."""
    for one in files.values():
        make_read_only(one.path)
    flush_together([one.path for one in files.values()])
    make_folder(folder)
    found = {}
    for stem, one in files.items():
        found[stem] = folder / f"{stem}-{(one.sha256 or sha256(one.path))[:HASH]}.parquet"
        put(one.path, found[stem], is_flushed=True)
    flush(folder)
    return found
