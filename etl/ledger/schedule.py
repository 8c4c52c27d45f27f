"""The next times of the schedule that is installed, noted for whoever tells when the next run is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from etl.ledger.ledger import Ledger

_CACHED = "schedule"


@dataclass(frozen=True)
class Scheduled:
    """A schedule: where it is `installed`, and its next `times`, ISO 8601 with their offsets, as of `noted_at`."""

    installed: str
    times: list[str]
    noted_at: str

    def next(self, now: datetime) -> datetime | None:
        """Return its next time; None if there is none among the times that were noted."""
        return min((time for time in self._moments() if time > now), default=None)

    def last(self, now: datetime) -> datetime | None:
        """Return its last time since it was noted; None if there was none yet."""
        return max((time for time in self._moments() if time <= now), default=None)

    def _moments(self) -> list[datetime]:
        return [datetime.fromisoformat(text) for text in self.times]


def note_schedule(ledger: Ledger, identity: str, found: Scheduled | None) -> None:
    """Note the schedule of a project, by its Project.identity, since ledgers are copied; None: there is none."""
    ledger.cache(_CACHED, identity, json.dumps(asdict(found)) if found else "")


def noted_schedule(ledger: Ledger, identity: str) -> Scheduled | None:
    """Return the schedule that was noted last; None if there is none, or nobody has noted it."""
    text = ledger.cached(_CACHED, identity)
    return Scheduled(**json.loads(text)) if text else None
