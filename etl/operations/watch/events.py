"""Events of the file system: what happens below data/raw is known within a moment, where it tells of changes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from etl.operations.watch.mounts import tells_changes
from etl.operations.watch.waker import Watched

#: How often the library asks whether it is to stop, and how long it collects events: each wakes the processor.
_STEP_MS, _COLLECT_MS = 100, 300
#: So often is looked whether the folder is still the one that was there.
_ROUND_MS = 2_000
#: So long is waited for a folder that is not there.
_ABSENT_SECONDS = 1.0


@dataclass(frozen=True)
class Events:
    """Wakes when anything changes in a folder or below."""

    folder: Path
    is_outside = False

    @classmethod
    def of(cls, watched: Watched) -> Sequence[Events]:
        """Return one for data/raw, where the library is installed and the file system tells of changes."""
        raw = watched.project.raw
        return [cls(raw)] if tells_changes(raw) else []

    @property
    def named(self) -> str:
        """The folder."""
        return f"changes below {self.folder}"

    def wakes(self, stop: Event) -> Iterator[str]:
        """Yield when something changed; the folder may be gone for a while, and another one be in its place.

        Raises OSError if the file system cannot watch so many folders.
        """
        while not stop.is_set():
            before = _identity(self.folder)
            if before is None:
                stop.wait(_ABSENT_SECONDS)
                continue
            yield from self._changes(before, stop)

    def _changes(self, before: tuple[int, int], stop: Event) -> Iterator[str]:
        from watchfiles import watch

        is_told = False
        changes = watch(
            self.folder,
            watch_filter=None,
            debounce=_COLLECT_MS,
            step=_STEP_MS,
            stop_event=stop,
            rust_timeout=_ROUND_MS,
            yield_on_timeout=True,
            raise_interrupt=False,
            force_polling=False,
            ignore_permission_denied=True,
        )
        for found in changes:
            if found or not is_told:
                # the first time it may have come before it was listened for
                yield f"a change below {self.folder}"
                is_told = True
            if _identity(self.folder) != before:
                yield f"{self.folder} is another folder, or gone"
                return


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one that is mounted in its place; None if it is not there."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino
