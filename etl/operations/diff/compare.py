"""Comparing: which tables differ, in how many rows and in which columns, with a few examples of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl import engine
from etl.errors import ConfigError, unknown
from etl.operations.diff.known import Known, known
from etl.operations.diff.rows import Example, Keyed, Whole, differing, told, write
from etl.operations.diff.sides import A, B, Sides, key_of, sides
from etl.operations.diff.small import Small, different_rows, is_small
from etl.project import Project
from etl.project.files import restrict_files

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One table on both sides; `rows` is None where it is not there."""

    table: str
    status: str
    rows: tuple[int | None, int | None] = (None, None)
    schema: Sequence[str] = ()
    key: Sequence[str] = ()
    added: int = 0
    removed: int = 0
    changed: int = 0
    #: In how many changed rows each column differs.
    columns: Mapping[str, int] = field(default_factory=dict)
    examples: Sequence[Example] = ()
    note: str = ""
    #: The dates of a snapshot on both sides, whose rows are compared without it.
    snapshot: str = ""


@dataclass(frozen=True)
class Request:
    """What is compared: all tables or one; by `keys`, of each table, or by the one that was asked for."""

    files: tuple[Path, Path]
    table: str = ""
    key: Sequence[str] = ()
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _: KW_ONLY
    #: Tables that are known to be the same.
    same: frozenset[str] = frozenset()
    #: How many rows tables have, where that is known.
    rows: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    #: Whether both files keep the hashes of what they hold, as published ones do.
    is_hashed: bool = False
    limit: int = 3
    #: Whether floating-point numbers are compared to 9 digits, and not to the bit.
    digits: bool = False


def compare(project: Project, request: Request) -> list[Compared]:
    """Return every table of both files, the different ones with what differs.

    Raises ConfigError for a table, or a column of the key, that is not there.
    """
    with engine.comparing(project, *request.files) as con:
        found = sides(con, request.digits)
        if request.table and request.table not in found:
            raise ConfigError(unknown(f"There is no table {request.table}", request.table, found))
        facts = known(con, found) if request.is_hashed else Known()
        request = replace(request, same=request.same | facts.same)
        wanted = [found[request.table]] if request.table else found.values()
        read = _read(con, wanted, request, facts)
        return [_compared(con, item, request, facts, read.get(item.name)) for item in wanted]


def write_rows(project: Project, request: Request, target: Path) -> int:
    """Write the differing rows of one table to a .parquet or .csv file, in one rename; return how many."""
    restrict_files(project.settings.mask)
    with engine.comparing(project, *request.files, may_write=True) as con:
        found = sides(con, request.digits)
        facts = known(con, found) if request.is_hashed else Known()
        item, _ = _narrowed(found[request.table], request, facts)
        key, _ = _key(con, item, request)
        return write(con, Keyed(item, key) if key else Whole(item), target)


def _read(
    con: duckdb.DuckDBPyConnection, items: Iterable[Sides], request: Request, facts: Known
) -> dict[str, tuple[Small, list[tuple[Any, ...]]]]:
    """Return small tables with the rows in which they differ, many read by one statement."""
    tables = []
    for item in items:
        if None in item.kinds or request.key or (item.name in request.same and not item.schema):
            continue
        narrowed, snapshot = _narrowed(item, request, facts)
        key = key_of(narrowed, request.keys.get(item.name, ()))
        if not snapshot and is_small(narrowed, key, request.rows.get(item.name, (None, None))):
            tables.append(Small(narrowed, key))
    return {small.item.name: (small, rows) for small, rows in different_rows(con, tables)}


def _compared(
    con: duckdb.DuckDBPyConnection,
    item: Sides,
    request: Request,
    facts: Known,
    read: tuple[Small, list[tuple[Any, ...]]] | None,
) -> Compared:
    if None in item.kinds:
        status = "added" if item.kinds[0] is None else "removed"
        return Compared(table=item.name, status=status, rows=_counts(con, item, request))
    schema = [*([f"{item.kinds[0]} → {item.kinds[1]}"] if item.kinds[0] != item.kinds[1] else []), *item.schema]
    if item.name in request.same and not schema:
        return Compared(table=item.name, status="same")
    item, snapshot = _narrowed(item, request, facts)
    key, note = (list(read[0].key), "") if read and read[0].key else _key(con, item, request)
    rows = Keyed(item, key) if key else Whole(item)
    counts, examples = told(rows, read[1], request.limit) if read else differing(con, rows, request.limit)
    is_same = not (schema or snapshot or counts.added or counts.removed or counts.changed)
    return Compared(
        table=item.name,
        status="same" if is_same else "changed",
        rows=_counts(con, item, request),
        schema=schema,
        key=key,
        added=counts.added,
        removed=counts.removed,
        changed=counts.changed,
        columns=counts.columns,
        examples=[] if is_same else examples,
        note="" if is_same else note,
        snapshot=snapshot,
    )


def _narrowed(item: Sides, request: Request, facts: Known) -> tuple[Sides, str]:
    """Return a table with what is compared of it, and the dates of a snapshot."""
    column, dates = facts.moved.get(item.name, ("", ""))
    asked = request.key or request.keys.get(item.name, ())
    if dates and asked and column not in asked:
        # all of it came again: rows are the same ones by their key, whatever the date
        return replace(item, left_out=column), dates
    return replace(item, where=facts.where.get(item.name, "")), ""


def _key(con: duckdb.DuckDBPyConnection, item: Sides, request: Request) -> tuple[list[str], str]:
    """Return the columns that name a row on both sides, or none and why."""
    asked = list(request.key) or list(request.keys.get(item.name, ()))
    key = key_of(item, asked)
    if request.key and not key:
        there = ", ".join(column.name for column in item.common)
        raise ConfigError(f"{item.name} does not have all of {', '.join(asked)} on both sides; it has: {there}.")
    if not key:
        return [], "no key is known (--key), so rows are compared as a whole"
    if not item.is_unique(con, key):
        return [], f"{', '.join(key)} is not unique, so rows are compared as a whole"
    return key, ""


def _counts(con: duckdb.DuckDBPyConnection, item: Sides, request: Request) -> tuple[int | None, int | None]:
    """Return the rows of a table on either side, as its record has them, or counted."""
    numbers = request.rows.get(item.name, (None, None))
    if None in numbers:
        counts = (f"(select count(*) from {item.whole(side)})" for side in (A, B))
        told = [count if kind else "null" for kind, count in zip(item.kinds, counts, strict=True)]
        ((left, right),) = con.execute(f"select {', '.join(told)}").fetchall()
        return left, right
    return numbers
