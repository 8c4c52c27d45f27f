"""When a watch looks and when it begins a run: debounce, cool-down, at most one run waiting, and trying again."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from etl.errors import AlreadyRunning, Crash

#: So long nothing wakes before it is looked, and so long at most while wakes go on.
QUIET_SECONDS, PATIENCE_SECONDS = 0.1, 1.0
#: A run that did not end well is tried again after the first, then after twice as long.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 60.0, 3600.0
#: So often is looked whether another run is over, if there is no longer pause between runs.
_OTHERS_SECONDS = 1.0


@dataclass
class Pacing:
    """What is due, by times of a clock that nobody sets; all in seconds."""

    cool_down: float
    _: KW_ONLY
    _first_wake: float | None = None
    #: When it is to be looked since something woke it, and since something will be complete.
    _woken_at: float | None = None
    _complete_at: float | None = None
    #: Whether a run is wanted for something new; when one that failed is tried again; before when none is begun.
    _is_wanted: bool = False
    _again_at: float | None = None
    _not_before: float = float("-inf")
    _is_running: bool = False
    _failures: int = 0

    def wake(self, now: float) -> None:
        """Note that it is worth a look."""
        self._first_wake = now if self._first_wake is None else self._first_wake
        self._woken_at = min(now + QUIET_SECONDS, self._first_wake + PATIENCE_SECONDS)

    def looked(self, now: float, *, is_new: bool, again_in: float | None = None) -> None:
        """Note what a look has found: whether anything is complete and new, and how soon more may be."""
        self._first_wake = self._woken_at = None
        self._complete_at = None if again_in is None else now + again_in
        self._is_wanted = self._is_wanted or is_new

    def want(self) -> None:
        """Have a run begin whatever a look would find."""
        self._is_wanted = True

    def began(self, now: float) -> None:
        """Note that a run was begun, which takes all that was there."""
        self._is_running, self._is_wanted, self._again_at = True, False, None
        self._not_before = now + self.cool_down

    def ended(self, now: float, exit_code: int) -> None:
        """Note how the run ended: one that has not ended well is tried again, though nothing else comes."""
        self._is_running = False
        if exit_code == AlreadyRunning.exit_code:
            # that one may have begun before the delivery was there
            self.put_off(now)
        elif exit_code:
            pause = min(FIRST_PAUSE_SECONDS * 2 ** min(self._failures, 10), LONGEST_PAUSE_SECONDS)
            self._failures, self._again_at = self._failures + 1, now + pause
        else:
            self._failures = 0

    def failed(self, now: float) -> None:
        """Note that the look or the beginning itself failed: both are tried again later."""
        self.looked(now, is_new=False, again_in=FIRST_PAUSE_SECONDS)
        self._is_wanted = False
        self.ended(now, Crash.exit_code)

    def put_off(self, now: float) -> None:
        """Have the run begin a little later: another one is under way."""
        self._is_wanted, self._not_before = True, max(self._not_before, now + _OTHERS_SECONDS)

    @property
    def is_running(self) -> bool:
        """Whether a run that was begun has not ended."""
        return self._is_running

    def is_look_due(self, now: float) -> bool:
        """Return whether it is time to look."""
        return any(at is not None and now >= at for at in (self._woken_at, self._complete_at))

    def is_run_due(self, now: float) -> bool:
        """Return whether it is time to begin a run."""
        at = self._run_at()
        return at is not None and now >= at

    def pause(self, now: float) -> float | None:
        """Return how long nothing is due; None if nothing ever is, unless something wakes."""
        times = [at for at in (self._woken_at, self._complete_at, self._run_at()) if at is not None]
        return max(0.0, min(times) - now) if times else None

    def _run_at(self) -> float | None:
        if self._is_running or not (self._is_wanted or self._again_at is not None):
            return None
        return self._not_before if self._is_wanted else max(self._not_before, self._again_at or 0)
