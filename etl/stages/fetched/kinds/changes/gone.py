"""Rows that are gone: what was fetched earlier is compared with the whole table, since nothing told of deletes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from etl import engine
from etl.engine import quoting
from etl.engine.quoting import identifier, literal
from etl.project import Project

_AT_ONCE = 10_000
_LONGEST = 1 << 30


def gone(
    project: Project, earlier: Sequence[Path], whole: Path, *, columns: Sequence[str], keys: Sequence[str]
) -> Iterator[list[str | None]]:
    """Yield the last values of each row that the files `earlier` hold and `whole` does not, by column."""
    own = ", ".join(map(identifier, keys))
    last = ", ".join(identifier(name) for name in columns)
    query = f"""
        with told as (
            select {last}, _deleted, row_number() over (partition by {own} order by _position desc) as nth
            from {_read(earlier, [*columns, "_deleted", "_position"])}
        )
        select {last} from told where nth = 1 and _deleted <> 'true'
        and ({own}) not in (select ({own}) from {_read([whole], keys)})
    """
    with engine.in_memory(project) as con:
        found = con.execute(query)
        while rows := found.fetchmany(_AT_ONCE):
            yield from ([*row] for row in rows)


def _read(paths: Sequence[Path], columns: Sequence[str]) -> str:
    types = ", ".join(f"{literal(name)}: 'varchar'" for name in columns)
    return (
        f"read_json({quoting.paths(paths)}, format = 'newline_delimited', compression = 'zstd', "
        f"hive_partitioning = false, columns = {{{types}}}, maximum_object_size = {_LONGEST})"
    )
