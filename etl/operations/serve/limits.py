"""How often somebody may ask: so many times at once, and so many a second after that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from time import monotonic

#: So many askers are remembered; those who have asked nothing for the longest are forgotten first.
_MOST = 10_000


@dataclass
class Limit:
    """Counts what each asker does; `burst` times at once, and then `each_second`."""

    burst: float
    each_second: float
    _: KW_ONLY
    clock: Callable[[], float] = monotonic
    #: What each one has left, and when that was counted.
    _left: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False)

    def seconds_left(self, who: str) -> float:
        """Return how long somebody has to wait until the next time; 0 if it may be now."""
        return max(0.0, (1 - self._has(who)) / self.each_second)

    def count(self, who: str) -> None:
        """Note that somebody did it once."""
        left = self._has(who)
        self._left.pop(who, None)
        self._left[who] = (max(left - 1, 0.0), self.clock())
        while len(self._left) > _MOST:
            del self._left[next(iter(self._left))]

    def take(self, who: str) -> float:
        """Count one and return 0; or return how long to wait, and count nothing."""
        if wait := self.seconds_left(who):
            return wait
        self.count(who)
        return 0.0

    def _has(self, who: str) -> float:
        left, at = self._left.get(who, (self.burst, 0.0))
        return min(self.burst, left + (self.clock() - at) * self.each_second)


@dataclass
class Limits:
    """How often each address may ask for anything, show a wrong token, and change something."""

    asking: Limit = field(default_factory=lambda: Limit(1000, 100))
    guessing: Limit = field(default_factory=lambda: Limit(10, 1 / 6))
    changing: Limit = field(default_factory=lambda: Limit(10, 1))
