"""What was accepted before of a partition: it stays where what comes in its place is refused.

What comes can be another delivery of the day, or the same one taken by another contract or source. Either way,
published rows never disappear because of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from etl.errors import counted
from etl.ledger import Receipt, stamp
from etl.ledger.rows import WHY
from etl.project import Project
from etl.sources import Source
from etl.stages.lake.layout import delete_partition, partition_file, refused_base

#: The outcomes of a receipt whose partition is in the lake.
ACCEPTED = ("done", "kept")
#: What a receipt calls the fingerprints of earlier ones of the same rows and rejects, but for what was discarded.
ALIKE = "alike"
#: A delivery with a smaller share of the rows that it replaces is warned of.
FEW_ROWS_RATIO = 0.5


def accepted(project: Project, source: Source, day: date, before: Receipt | None) -> Receipt | None:
    """Return the receipt of the rows that the lake holds of a day; None if it holds none that were accepted."""
    if before is None or before.key.partition != str(day) or before.outcome not in ACCEPTED:
        return None
    there = stamp(partition_file(project.lake, source, day))
    return before if there and there == before.details["lake"] else None


def kept_details(before: Receipt, refused: str, tried: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a partition that stays as it was accepted, since what was `tried` is refused.

    They are those of the rows that the lake holds; `kept` says with which receipt those came. The definition is
    the one that was tried, so that the same is not tried each night.
    """
    first = {
        "fingerprint": before.fingerprint,
        "definition": before.details["definition"],
        "run_id": before.run_id,
        "finished_at": before.finished_at,
    }
    asked = {name: tried[name] for name in ("definition", "corrections", "stale", "why_stale") if name in tried}
    return {
        **before.details,
        **asked,
        "kept": before.details.get("kept", first),
        "refused": refused,
        "tried": {name: tried[name] for name in ("file", "sha256", "records", WHY) if name in tried},
    }


def why_too_few(source: Source, before: Receipt | None, *, records: int, rows: int, discarded: int) -> str:
    """Return why so few rows do not replace what was accepted before; empty if they do.

    What people discarded as a whole is left out by their word.
    """
    earlier, ratio = before.details["rows"] if before else 0, source.min_rows_ratio
    if rows >= earlier or (rows == 0 and 0 < discarded == records):
        return ""
    replaced = f"the {counted(earlier, 'row')} accepted before"
    is_meant = records == 0 and source.fetch is not None and source.fetch.tells_gone
    if rows == 0 and ratio != 0 and not is_meant:
        what = f"none of its {counted(records, 'record')} keeps the contract" if records else "it has no records"
        withdraw = "delete the file to withdraw the day, or " if source.is_dated else ""
        allow = f"if there are to be none, {withdraw}set min_rows_ratio=0 of the source"
        return f"{what}, so it does not replace {replaced}; {allow}"
    if ratio is not None and rows < earlier * ratio:
        return f"it has {counted(rows, 'row')} for {replaced}, fewer than min_rows_ratio = {ratio:g} allows"
    return ""


def forget_refused(project: Project, source: Source, keep: Collection[date]) -> None:
    """Delete the refused records of partitions that are not refused any more: all but those of `keep`."""
    folder = refused_base(project) / source.name
    names = {f"{source.partition}={day}" for day in keep}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in names:
            delete_partition(path)
