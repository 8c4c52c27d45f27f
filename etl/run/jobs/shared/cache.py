"""Objects that a worker has fetched, kept for its next jobs: many models read the same partitions."""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

from etl.errors import EtlError, is_full_disk
from etl.project.files import link_file, private, put, sha256
from etl.run.jobs.shared.objects import Shared

#: What no job has read for so long is deleted; on a full disk, all that is held.
_SECONDS = 24 * 3600


def receive(shared: Shared, hashed: str, target: Path) -> str:
    """Do what Shared.receive() does, from the worker's own disk if it has the object; it is proved again."""
    folder = _folder()
    if folder is None:
        return shared.receive(hashed, target)
    if _is_held(folder / hashed, hashed, target):
        return ""
    if problem := _fetched(shared, hashed, target):
        return problem
    aside = folder / f".{uuid.uuid4().hex}"
    # without room for it, there is none the next time
    with suppress(OSError):
        try:
            link_file(target, aside)
            # after a loss of power it is proved, as always
            put(aside, folder / hashed, is_flushed=True)
        finally:
            # where both were the same file already, the rename has left it
            aside.unlink(missing_ok=True)
    return ""


def tidy() -> None:
    """Delete what was not read for long; a job that reads it now has links of its own."""
    _delete(_SECONDS)


def _is_held(held: Path, hashed: str, target: Path) -> bool:
    """Have an object that is held as `target`; return whether it is, and holds what its name says."""
    with suppress(OSError):
        os.utime(held)
        link_file(held, target)
        if sha256(target) == hashed:
            return True
        held.unlink(missing_ok=True)
    target.unlink(missing_ok=True)
    return False


def _fetched(shared: Shared, hashed: str, target: Path) -> str:
    """Do what Shared.receive() does; on a full disk, a job has the room of what is held for others."""
    try:
        return shared.receive(hashed, target)
    except (EtlError, OSError) as error:
        target.unlink(missing_ok=True)
        if not any(is_full_disk(each) for each in (error, error.__context__) if each):
            raise
    _delete(0)
    try:
        return shared.receive(hashed, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _delete(seconds: int) -> None:
    """Delete what was not read for so long, as far as it can be: no job fails for it."""
    folder = _folder()
    with suppress(OSError):
        for path in folder.iterdir() if folder else ():
            # another worker may be faster
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > seconds:
                    path.unlink()


def _folder() -> Path | None:
    """Return where they are; None for a worker that has no place of its own."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return private(Path(base) / "etl" / "objects")
    except (OSError, RuntimeError):
        return None
