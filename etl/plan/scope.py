"""Which deliveries a run takes; light to import, since it is asked before anything is planned."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import date


@dataclass(frozen=True)
class Scope:
    """Which deliveries a run takes: those from `first` to `last`, of one source if `source` is given.

    `force` does their steps, and those that depend on them, even if nothing changed. `allow_withdrawn` names
    the sources (with commas) of which any number of partitions may vanish. `publish_held` publishes even if a
    rollback holds it.
    """

    last: date
    first: date = date.min
    source: str = ""
    force: bool = False
    _: KW_ONLY
    allow_withdrawn: str = ""
    publish_held: bool = False

    def takes(self, source: str, day: date) -> bool:
        """Return whether a delivery is in the scope."""
        return self.first <= day <= self.last and self.source in ("", source)
