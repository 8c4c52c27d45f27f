"""What differs between the last two generations, in numbers, as their records tell it: no table is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from etl.ledger import Ledger
from etl.ledger.changed_rows import changed_rows
from etl.project import Project
from etl.stages import published
from etl.stages.published import Generation

#: So many changed inputs are named for each source.
_NAMED = 20


def last_two(project: Project) -> tuple[str, str] | None:
    """Return the generation before the current one, and the current one; None if there is none before."""
    there, now = published.generations(project), published.current(project)
    return (there[there.index(now) - 1], now) if now in there[1:] else None


def changes(project: Project, ledger: Ledger) -> dict[str, Any] | None:
    """Return what differs between the last two generations; None if there are no two.

    `rows` are how many were added, removed and changed by table, and when that was counted; empty if it was not.
    """
    names = last_two(project)
    before, after = (published.read_record(project.generations / name) for name in names or ("", ""))
    if names is None or before is None or after is None:
        return None
    return {
        "rows": changed_rows(ledger, *names),
        "before": _named(before),
        "after": _named(after),
        "tables": sorted(_tables(before, after), key=lambda item: str(item["n"])),
        "inputs": list(_inputs(before, after)),
        "code": sorted(
            name
            for name in {*before.definitions, *after.definitions}
            if before.definitions.get(name) != after.definitions.get(name)
        ),
        "same": sum(after.tables.get(name) == item for name, item in before.tables.items()),
    }


def rows(project: Project) -> dict[str, int]:
    """Return how many rows each table of the current generation has; of a view nobody counts them."""
    record = published.read_record(project.current)
    return {name: item.rows for name, item in record.tables.items() if item.rows is not None} if record else {}


def sizes(project: Project) -> list[tuple[str, int]]:
    """Return the run and the size in bytes of each generation on disk, the oldest first."""
    records = (published.read_record(project.generations / name) for name in published.generations(project))
    return [(record.run_id, record.bytes) for record in records if record]


def _named(record: Generation) -> dict[str, Any]:
    return {
        **{"generation": record.generation, "at": record.published_at, "date": record.batch_date},
        **{"bytes": record.bytes, "commit": record.git_commit},
    }


def _tables(before: Generation, after: Generation) -> Iterator[dict[str, Any]]:
    for name in {*before.tables, *after.tables}:
        old, new = before.tables.get(name), after.tables.get(name)
        if old == new:
            continue
        how = "new" if old is None else "gone" if new is None else "changed"
        yield {"n": name, "how": how, "before": old.rows if old else None, "after": new.rows if new else None}


def _inputs(before: Generation, after: Generation) -> Iterator[dict[str, Any]]:
    for source in sorted({*before.inputs, *after.inputs}):
        old, new = before.inputs.get(source, {}), after.inputs.get(source, {})
        came = sorted(set(new) - set(old))
        gone = sorted(set(old) - set(new))
        other = sorted(day for day in set(old) & set(new) if old[day].fingerprint != new[day].fingerprint)
        if came or gone or other:
            counts = {"came": len(came), "gone": len(gone), "other": len(other)}
            yield {"source": source, **counts, "days": [came[-_NAMED:], gone[-_NAMED:], other[-_NAMED:]]}
