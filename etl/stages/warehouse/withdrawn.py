"""Partitions that vanish: how many may, and what is said of more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from etl.errors import WithdrawnError, few
from etl.sources import Source


def check_withdrawn(source: Source, withdrawn: Sequence[date], lost: Collection[date], is_allowed: bool) -> None:
    """Raise WithdrawnError if more partitions than max_withdrawn would leave the table at once, without a word.

    `withdrawn` have lost their files, `lost` are snapshots that the lake does not hold any more.
    """
    if len(withdrawn) + len(lost) <= source.max_withdrawn or is_allowed:
        return
    raise WithdrawnError(_too_many_lost(source, lost) if lost else _too_many(source, withdrawn))


def _too_many_lost(source: Source, lost: Collection[date]) -> str:
    return (
        f"{source.name}: the lake has lost {len(lost)} published snapshots ({few(sorted(lost), 3)}), more than "
        f"max_withdrawn = {source.max_withdrawn}, and nothing can bring them back but a backup. Is a folder not "
        f"mounted? If they are to be given up: luigi --module etl Nightly --allow-withdrawn {source.name}"
    )


def _too_many(source: Source, withdrawn: Sequence[date]) -> str:
    days = ", ".join(map(str, withdrawn[:3]))
    return (
        f"{source.name}: the files of {len(withdrawn)} published partitions vanished from data/{source.home} "
        f"({days}{', ...' if len(withdrawn) > 3 else ''}), more than max_withdrawn = {source.max_withdrawn}. "
        "Is a folder not mounted? If they were meant to go: "
        f"luigi --module etl Nightly --allow-withdrawn {source.name}"
    )
