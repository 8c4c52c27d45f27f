"""Rows that are gone: what was fetched earlier is compared with the whole table, since nothing told of deletes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from etl import engine
from etl.engine import quoting
from etl.engine.quoting import identifier, literal
from etl.project import Project
from etl.stages.fetched.asked import Asked
from etl.stages.fetched.landing import Landing
from etl.stages.fetched.manifest import manifests
from etl.stages.fetched.writers import LinesWriter

_AT_ONCE = 10_000
_LONGEST = 1 << 30


def note_gone(
    asked: Asked,
    landing: Landing,
    columns: Sequence[str],
    about: Sequence[str],
    keys: Sequence[str],
    position: str,
) -> None:
    """Append to the whole table a delete of each row that was fetched earlier, and is not in it any more."""
    writer = landing.writer
    assert asked.newest and isinstance(writer, LinesWriter)
    writer.checkpoint(writer.state)
    kind = asked.newest.kind
    known = [
        landing.root / found.path for found, said in manifests(landing.source, landing.root) if said.kind == kind
    ]
    facts = {"_op": "delete", "_deleted": True, "_position": position, "_xid": None}
    facts["_committed_at"] = asked.started.isoformat(sep=" ")
    for row in _gone(landing.project, known, writer.path, columns=columns, keys=keys):
        values = dict(zip(columns, row, strict=True)) | {name: facts[name] for name in about}
        writer.append(json.dumps(values, ensure_ascii=False).encode())


def _gone(
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
