"""Whether anything is complete and new, told by names and stats alone, as a night judges what is complete."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

from etl.errors import DeliveryError
from etl.operations.watch.declared import Delivered
from etl.sources.connectors.connector import File, Known

#: No look follows another one sooner, whatever the clock says.
_LEAST_SECONDS = 0.05


class Looking:
    """What lay complete in raw/ when a run last began, and what is there now.

    A file is known by its name, size, times and inode. One that is gone is nothing new: a folder that is not
    mounted looks the same, and the next run says what became of it.
    """

    def __init__(self) -> None:
        self._known: frozenset[int] = frozenset()
        self._seen: frozenset[int] = frozenset()
        #: How soon a delivery may have settled, in seconds; None if none is settling.
        self.again_in: float | None = None
        #: The sources of what is new.
        self.new: list[str] = []

    def look(self, sources: Iterable[Delivered], today: date) -> bool:
        """Look at the deliveries up to a day, and return whether any is complete and new."""
        seen = set[int]()
        self.new, self.again_in = [], None
        for source in sources:
            try:
                complete = set(self._complete(source, today))
            except (DeliveryError, OSError):
                # the folder is not there, or not readable: it may be again
                continue
            if not complete <= self._known:
                self.new.append(source.name)
            seen |= complete
        self._seen = frozenset(seen)
        return bool(self.new)

    def begun(self) -> None:
        """Note that a run has begun, which takes what the last look has found."""
        self._known = self._seen

    def _complete(self, source: Delivered, today: date) -> Iterator[int]:
        """Yield a number for each complete file of a source, which takes less memory than all their names."""
        files: dict[date, list[File]] = defaultdict(list)
        incomplete, now_ns = set[date](), time.time_ns()
        for day, file, _ in source.connector.look(source.root, source.name, today, now_ns, Known()):
            if day is None or day > today:
                # one of a later day is taken on that day
                continue
            if file is None:
                incomplete.add(day)
            else:
                files[day].append(file)
        for day, found in files.items():
            if day in incomplete:
                self._settle(source, found, now_ns)
            else:
                yield from (hash((source.name, *file.stat_key)) for file in found)

    def _settle(self, source: Delivered, files: Iterable[File], now_ns: int) -> None:
        """Note how soon files may have settled; by a clock that was set back, no later than if it had not been."""
        settle = getattr(source.connector, "settle_seconds", 0)
        left = max(settle - (now_ns - file.changed_ns) / 1e9 for file in files)
        if settle and left > 0:
            soon = max(_LEAST_SECONDS, min(left, settle))
            self.again_in = soon if self.again_in is None else min(self.again_in, soon)
