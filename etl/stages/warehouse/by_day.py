"""Rows by the date of their partition: which are meant, and each date's in a Parquet file of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier, literal
from etl.stages.warehouse.work import Day

if TYPE_CHECKING:
    import duckdb

#: So many partitions are written in one pass: DuckDB keeps the files of 100 open, and begins second ones then.
_TOGETHER = 64


def on_days(column: str, days: Sequence[Day]) -> list[str]:
    """Return conditions of which a row of `days` keeps one; None among them stands for rows without a date.

    They are for statements of their own: DuckDB pushes an equality through joins, a list or an `or` not.
    """
    name = identifier(column)
    dates = [literal(day) for day in days if day]
    found = [f"{name} = {dates[0]}" if len(dates) == 1 else f"{name} in ({', '.join(dates)})"] if dates else []
    return found + ([f"{name} is null"] if None in days else [])


def copy_by_day(
    con: duckdb.DuckDBPyConnection, rows: str, column: str, files: Mapping[Day, Path], aside: Path, how: str = ""
) -> None:
    """Write the rows of each date to its file, whose folder is made; `rows` is a SELECT, `how` has more of COPY.

    Dates may have a file together. Rows without a date have the file of None. The folder `aside` is there for the
    time of it.
    """
    how = f"format parquet{f', {how}' if how else ''}"
    for file in files.values():
        file.parent.mkdir(parents=True, exist_ok=True)
    if None in files:
        where = f" where {on_days(column, [None])[0]}" if column else ""
        con.execute(f"copy (from ({rows}){where}) to {literal(str(files[None]))} ({how})")
    days = sorted(day for day in files if day)
    targets = list(dict.fromkeys(files[day] for day in days))
    for together in (targets[start : start + _TOGETHER] for start in range(0, len(targets), _TOGETHER)):
        wanted = [day for day in days if files[day] in together]
        numbers = [together.index(files[day]) for day in wanted]
        number = f"{literal(numbers)}[list_position({literal(wanted)}, {identifier(column)})] as _part_number"
        con.execute(
            f"copy (select *, {number} from ({rows}) where {on_days(column, wanted)[0]}) "
            f"to {literal(str(aside))} ({how}, partition_by (_part_number), filename_pattern 'part')"
        )
        for position, target in enumerate(together):
            os.rename(aside / f"_part_number={position}" / "part0.parquet", target)
        shutil.rmtree(aside)
