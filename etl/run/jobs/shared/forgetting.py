"""Objects that no partition needs any more: deleted by a run at its end, while it has the lock."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from etl.errors import EtlError
from etl.ledger import Ledger
from etl.project import Project
from etl.run.jobs.shared.objects import Shared
from etl.stages.mirrored import prepare_place
from etl.stages.mirrored.contents import Hashes

log = logging.getLogger("etl")

#: What the ledger's cache keeps: that objects may be there which nothing needs, and the hashes of the lake.
_USED, _HASHES = "shared lake", "shared lake hashes"


def prepare(project: Project) -> None:
    """Import what the end of a run needs: while an interpreter ends, not everything can be imported."""
    prepare_place(project.settings.shared_lake)


def note_used(project: Project, ledger: Ledger) -> None:
    """Note that objects are sent, so that the end of this run, or of the next, looks for what nothing needs."""
    if not ledger.cached(_USED, project.settings.shared_lake):
        ledger.cache(_USED, project.settings.shared_lake, "yes")


def forget(project: Project, ledger: Ledger) -> None:
    """Delete all objects but those of partitions as they are; the caller has the lock, and no job is under way.

    What a worker of a run that was killed still sends is deleted by the next one. A failure is said in the log.
    """
    if not ledger.cached(_USED, url := project.settings.shared_lake):
        return
    try:
        shared = Shared.of(project, ledger)
        there, hashes = shared.there(), Hashes(project, ledger, _HASHES)
        needed = set()
        for file in _partitions(project):
            # one that somebody deletes meanwhile is not needed
            with suppress(FileNotFoundError):
                needed.add(hashes.sent(file).sha256)
        hashes.keep()
        shared.delete(sorted(there.keys() - needed))
        ledger.cache(_USED, url, "")
    except (EtlError, OSError) as error:
        log.warning(
            "warning: what no job needs was not deleted at %s, and the next run tries again: %s", url, error
        )


def _partitions(project: Project) -> Iterator[Path]:
    yield from project.lake.glob("*/*/data.parquet")
    yield from project.parts.glob("*/*.parquet")
