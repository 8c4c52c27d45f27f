"""Which deliveries a run takes; light to import, since it is asked before anything is planned."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import date


@dataclass(frozen=True)
class Scope:
    """Which deliveries a run takes: those from `first` to `last`, of one source if `source` is given.

    `sources` names the only ones of which it takes any, with commas; None: all.

    `since` is the run that began to do so: what was extracted since then is not extracted again by `force`.

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
    sources: str | None = None
    since: str = ""

    def takes(self, source: str, day: date) -> bool:
        """Return whether a delivery is in the scope."""
        return self.first <= day <= self.last and self.takes_source(source)

    def takes_source(self, source: str) -> bool:
        """Return whether deliveries of a source can be in the scope."""
        is_among = self.sources is None or source in self.sources.split(",")
        return is_among and self.source in ("", source)
