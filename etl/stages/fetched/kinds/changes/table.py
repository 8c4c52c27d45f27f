"""The table whose changes are read, whichever log tells them: its columns, and those that are landed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etl.engine.quoting import identifier
from etl.errors import FetchError, few
from etl.sources.fetches.changes import ABOUT, NEEDED
from etl.stages.fetched.asked import Asked
from etl.stages.fetched.landing import Landing
from etl.stages.fetched.writers import LinesWriter


@dataclass(frozen=True, kw_only=True)
class HeldTable:
    """A table: its columns with their types, and those that identify a row in the log."""

    schema: str
    name: str
    types: Mapping[str, str]
    keys: tuple[str, ...]
    #: Whether the log has the whole row as it was before a change.
    is_full: bool


def chosen(asked: Asked, table: HeldTable, where: str) -> Sequence[str]:
    """Return the columns that are landed. Raises FetchError if the contract cannot hold what changes are."""
    contract = asked.contract.name
    lacking = [name for name in NEEDED if name not in asked.columns]
    if lacking and asked.extra == "refuse":
        raise FetchError(
            f"The contract {contract} does not have {names(lacking)}: without them no model can tell which change "
            "of a row came last, or that it was deleted. Add them as docs/changes.md shows."
        )
    if taken := [name for name in ABOUT if name in table.types]:
        raise FetchError(f"{where} has a column {taken[0]!r}, which etl needs for itself. Rename it.")
    wanted: dict[str, bool] = {}
    for column in asked.contract.columns:
        own = next((name for name in (column.name, *column.aliases) if name in table.types), None)
        if own is not None:
            wanted[own] = column.nullable
        elif column.required and column.name not in ABOUT:
            raise FetchError(f"{where} does not have {column.name!r}, which the contract {contract} requires.")
    others = [name for name in table.types if name not in wanted]
    if others and asked.extra == "refuse":
        raise FetchError(
            f"{where} has columns that the contract {contract} does not have: {names(others)}. Add them to the "
            "contract, or say extra='ignore' to leave them where they are."
        )
    if missing := [name for name in table.keys if name not in wanted]:
        raise FetchError(f"{where}: the contract {contract} lacks {names(missing)} of the key. Add it.")
    solid = [name for name, nullable in wanted.items() if not nullable and name not in table.keys]
    if solid and not table.is_full:
        raise FetchError(
            f"{where}: of a deleted row its log has the key alone, and the contract {contract} wants "
            f"{names(solid)} not to be null. Let them be null, or have the log hold whole rows: alter table "
            f"{identifier(table.schema)}.{identifier(table.name)} replica identity full."
        )
    return [name for name in table.types if name in wanted or asked.extra == "keep"]


def about_of(asked: Asked) -> Sequence[str]:
    """Return which columns about a change are landed beside those of the table."""
    return [name for name in ABOUT if asked.extra != "refuse" or name in asked.columns]


def lines(landing: Landing) -> LinesWriter:
    """Return the writer of what is landed, with no lines yet."""
    writer = landing.writer
    if writer is None:
        writer = landing.lines()
    assert isinstance(writer, LinesWriter)
    writer.restart()
    return writer


def ends_early(asked: Asked, where: str, end: str) -> FetchError:
    """Return what is said of a log whose end lies before what was fetched: no position would be right."""
    assert asked.newest
    return FetchError(
        f"The log of {where} ends at {end}, before what was fetched: {asked.newest.to}. It is another server, or "
        f"was restored. Move data/fetched/{asked.source} away, and fetch again."
    )


def of_bytes(count: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{count / 1e6:,.1f} MB"


def names(columns: Sequence[str]) -> str:
    """Return the names of a few columns."""
    return few(map(repr, columns), 20)
