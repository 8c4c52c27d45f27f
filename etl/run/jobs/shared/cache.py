"""Objects that a worker has fetched, kept for its next jobs: many models read the same partitions."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

from etl.project.files import link_file, private, put, sha256
from etl.run.jobs.shared.objects import Shared

#: What no job has read for so long is deleted.
_SECONDS = 24 * 3600


def receive(shared: Shared, hashed: str, target: Path) -> str:
    """Do what Shared.receive() does, from the worker's own disk if it has the object; it is proved again."""
    folder = _folder()
    if folder is None:
        return shared.receive(hashed, target)
    held = folder / hashed
    with suppress(OSError):
        os.utime(held)
        link_file(held, target)
        if sha256(target) == hashed:
            return ""
        held.unlink(missing_ok=True)
    target.unlink(missing_ok=True)
    if problem := shared.receive(hashed, target):
        return problem
    aside = folder / f".{uuid.uuid4().hex}"
    with suppress(OSError):
        # without room for it, there is none the next time
        link_file(target, aside)
        # after a loss of power it is proved, as always
        put(aside, held, is_flushed=True)
    # where both were the same file already, the rename has left it
    aside.unlink(missing_ok=True)
    return ""


def tidy() -> None:
    """Delete what was not read for long; a job that reads it now has links of its own."""
    folder = _folder()
    for path in folder.iterdir() if folder else ():
        # another worker may be faster
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _SECONDS:
                path.unlink()


def _folder() -> Path | None:
    """Return where they are; None for a worker that has no place of its own."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return private(Path(base) / "etl" / "objects")
    except (OSError, RuntimeError):
        return None
