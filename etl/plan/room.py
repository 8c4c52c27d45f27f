"""Room on the disk, looked for before the night begins: a candidate and one more generation must fit."""

from __future__ import annotations

import shutil
from pathlib import Path

from etl.errors import NoRoom
from etl.ledger.keys import PUBLISH
from etl.plan.plan import Plan
from etl.project import Project

#: What a delivered byte takes in the lake and in build.duckdb, roughly: both are compressed.
_LAKE, _BUILD = 0.3, 0.5


def check_room(plan: Plan) -> None:
    """Raise NoRoom if the disk of the data cannot hold what the run will write; nothing if it writes nothing.

    A generation counts in full, though its copy may share blocks: what is written to either later needs them.
    """
    project = plan.project
    if PUBLISH not in plan.stale:
        return
    there = _size(project.build)
    delivered = sum(d.size for name in plan.held for d in plan.stale_partitions(name) if d.is_in_raw)
    candidate = max(there, _size(project.warehouse)) + delivered * _BUILD
    needed = candidate - there + candidate + delivered * _LAKE
    free = shutil.disk_usage(_existing(project)).free
    if free < needed:
        raise NoRoom(
            f"{project.data} has {_mb(free)} free, and about {_mb(needed)} are needed: for the candidate "
            f"({_mb(candidate)}), for one more generation of it, and for {_mb(delivered)} of new deliveries. "
            "Nothing was begun. Make room, or keep fewer "
            "generations ([etl] keep_generations)."
        )


def _mb(size: float) -> str:
    """Return a size in MB, of a few of them or less with the figures that tell it from none."""
    return f"{size / 1e6:,.0f} MB" if size >= 1e7 or not size else f"{size / 1e6:.2g} MB"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _existing(project: Project) -> Path:
    return next(path for path in (project.data, *project.data.parents) if path.exists())
