"""The time by which a night is to be over: what cannot be finished by then is not begun."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import accumulate
from typing import Protocol
from zoneinfo import ZoneInfo

from etl.errors import DeadlinePassed, few, lasting
from etl.ledger import Ledger, Run
from etl.ledger.history import RUNNING, WAITING, History, StepId
from etl.project import Project

#: What a problem is noted for that says what there was no time for; it is said once for a run.
DEADLINE = "deadline"

#: Why a step was skipped.
NO_TIME = "There was no time left for it before the deadline."

#: So many steps are named that were left.
_LISTED = 10


class Timed(Protocol):
    """The run under way, as far as its time is concerned."""

    project: Project
    ledger: Ledger
    history: History
    row: Run


def deadline_of(project: Project, began: datetime) -> datetime | None:
    """Return by when a run is to be over: the first such time of day after it began; None if none is set."""
    if not project.settings.deadline:
        return None
    zone = ZoneInfo(project.settings.timezone)
    day, at = began.astimezone(zone).date(), time.fromisoformat(project.settings.deadline)
    moments = (datetime.combine(day + timedelta(n), at, zone).astimezone(UTC) for n in (0, 1))
    return next(moment for moment in moments if moment > began)


def in_time(run: Timed, steps: Sequence[StepId]) -> int:
    """Return how many of some steps, done one after another, are usually over by the deadline of the run."""
    due = deadline_of(run.project, datetime.fromisoformat(run.row.started_at))
    if due is None:
        return len(steps)
    usual = run.history.usual_seconds()
    left = (due - _now()).total_seconds()
    ends = accumulate(usual.get(step, 0.0) for step in steps)
    # what was never done may be quick
    return sum(end <= left for end in ends) if left > 0 else 0


def fitting(run: Timed, steps: Iterable[StepId]) -> list[StepId]:
    """Return those of some steps that are usually over by the deadline of the run, in this order.

    One that takes too long keeps none from being begun that is quick.
    """
    found: list[StepId] = []
    for step in steps:
        if in_time(run, [*found, step]) > len(found):
            found.append(step)
    return found


def untimely(run: Timed, step: StepId) -> str:
    """Return why a step is not begun that is not usually over by the deadline."""
    settings, usual = run.project.settings, run.history.usual_seconds().get(step)
    usually = f" It usually takes {lasting(usual)}." if usual is not None else ""
    return f"It cannot end by the deadline, {settings.deadline} ({settings.timezone}): it was not begun.{usually}"


def check(run: Timed, steps: Iterable[StepId]) -> None:
    """Raise DeadlinePassed for steps that are not usually over by the deadline, and say what else is left."""
    asked = list(steps)
    if in_time(run, asked) == len(asked):
        return
    usual, settings = run.history.usual_seconds(), run.project.settings
    rows = run.history.steps([run.row.run_id])
    left = dict.fromkeys([*asked, *(row.id for row in rows if row.outcome in (WAITING, RUNNING))])
    said = [f"{step} ({f'usually {lasting(usual[step])}' if step in usual else 'never done'})" for step in left]
    total = lasting(sum(usual.get(step, 0.0) for step in left))
    raise DeadlinePassed(
        f"{few(asked)} cannot be finished by the deadline, {settings.deadline} ({settings.timezone}), so it was "
        f"not begun.\n    left, usually {total} in all: {few(said, _LISTED)}\n"
        "    What is done is kept. Run again to go on from here, begin the night earlier, or set a later [etl] "
        "deadline: etl run"
    )


def _now() -> datetime:
    return datetime.now(UTC)
