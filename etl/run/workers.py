"""Worker processes: they end with their parent, and a parent does not wait for ever for workers that are gone."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path

#: How often a worker looks whether its parent is still there, and a parent for its workers, in seconds.
_WATCH_SECONDS, _COUNT_SECONDS = 0.2, 1.0

#: A parent whose last worker is gone hears of it within a second or two, if it ever does.
_PATIENCE_SECONDS = 60.0


def batch_size(stale: Sequence[int], workers: int) -> int:
    """Return how many partitions of one source a process takes at a time, of sources with so many to take.

    A source is split only as far as the workers would wait for one another otherwise: each process that begins
    costs as much as a small partition, so that many small sources are not taken faster in more parts.
    """
    return max(1, ceil(max(max(stale, default=1) / workers, sum(stale) / (2 * workers))))


def memory_share(stale: Sequence[int], workers: int) -> str:
    """Return the share of the machine's memory that DuckDB may have in each of the processes that extract.

    Alone, DuckDB takes 80 %; workers side by side would take that each.
    """
    return f"{80 // max(1, min(workers, sum(stale)))}%"


def ready_to_fork() -> None:
    """Leave what is in memory out of the garbage collection of workers: they would copy all that they look at."""
    gc.collect()
    gc.freeze()


def end_with_parent(parent: int) -> None:
    """In a worker: end this process, in whatever it does, when the process `parent` that holds the run ends."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_without_workers(give_up: Callable[[], object]) -> None:
    """In the parent: call `give_up` and end with 30 if its workers are gone, and it still waits for them.

    A worker that is killed in the middle of its report leaves the queue of reports locked: Luigi waits for ever.
    Nothing is watched where there is no /proc.
    """
    if living_children() is not None:
        threading.Thread(target=_watch_workers, args=(os.getpid(), give_up), daemon=True).start()


def living_children() -> int | None:
    """Return how many Python children of this process live, dead ones that nobody asked for left out.

    None where there is no /proc.
    """
    found = Path(f"/proc/{os.getpid()}/task")
    if not found.is_dir():
        return None
    pids = [pid for task in found.iterdir() for pid in _text(task / "children").split()]
    states = [_text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[:1] for pid in pids]
    return sum(state not in ([], ["Z"], ["X"]) for state in states)


def _watch_workers(pid: int, give_up: Callable[[], object]) -> None:
    """Wait until there were workers, and then none for long; a forked child has no such thread."""
    last_seen: float | None = None
    while os.getpid() == pid:
        time.sleep(_COUNT_SECONDS)
        if living_children():
            last_seen = time.monotonic()
        elif last_seen is not None and time.monotonic() - last_seen > _PATIENCE_SECONDS:
            give_up()
            os._exit(30)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
