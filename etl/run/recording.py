"""What a run notes in the history while it is under way: its steps, how each one goes, and what became of them.

A history that cannot be written ends no run: what a run did is in its receipts, which are written by themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TypeVar

from etl import engine
from etl.errors import EtlError, LedgerError, few
from etl.ledger import Key, Ledger, Receipt, Run
from etl.ledger.history import DONE, FAILED, KILLED, WAITING, History, RunFacts, StepId, StepRow
from etl.ledger.run_log import forget_logs
from etl.ledger.spent import Meter
from etl.project import Project
from etl.run import deadline
from etl.run.failures.kept import forget_bundles

if TYPE_CHECKING:
    from etl.plan import Plan

_Result = TypeVar("_Result")

AUDIT, PUBLISH, PLAN = StepId("audit"), StepId("publish"), StepId("plan")
DELIVER, FETCH = "deliver", "fetch"
#: What is done about a source, in this order.
_BEFORE = (FETCH, DELIVER, "extract", "load")

#: What a plan says of a step that has no receipt.
_NEVER = "never done"


@dataclass(frozen=True)
class Doing:
    """The steps that a process does at once, and what they cost it."""

    steps: Sequence[StepId]
    meter: Meter = field(default_factory=Meter)
    #: The partitions that are extracted, and the receipts that a step began with, for what it leaves if it fails.
    dates: Sequence[date] = ()
    receipts: Mapping[Key, Receipt] = field(default_factory=dict)

    @property
    def named(self) -> tuple[str, str]:
        """What the log calls them: the step, and the name if there is but one."""
        return self.steps[0].step, self.steps[0].name if len(self.steps) == 1 else ""


class Recorded(Protocol):
    """The run under way, as far as it is noted here."""

    project: Project
    ledger: Ledger
    history: History
    row: Run
    facts: RunFacts
    meter: Meter
    #: The steps that this process does now.
    doing: Doing | None
    is_whole: bool
    #: Why deliveries were not made, by source and date.
    undelivered: dict[tuple[str, date], str]

    @property
    def plan(self) -> Plan:
        """What the run does."""

    @property
    def lacking(self) -> list[tuple[str, date]]:
        """The deliveries without which nothing is published."""

    @property
    def is_committed(self) -> bool:
        """Whether git knows all of the code."""


def note_plan(run: Recorded) -> None:
    """Note which steps the run will do, and why."""
    rows = list(planned(run.plan))
    if rows:
        with suppress(LedgerError):
            run.history.plan([_planning(run), *rows])


def note_planning_failed(run: Recorded, error: BaseException) -> None:
    """Note that the run could not be planned."""
    with suppress(LedgerError):
        run.history.plan([_planning(run)])
        run.history.fail(run.row.run_id, {PLAN: str(error) or type(error).__name__})


def planned(plan: Plan) -> Iterator[StepRow]:
    """Yield a row for each step that a plan has to do; the partitions of a source are one."""
    partitions: dict[str, list[str]] = {}
    reasons: dict[str, Counter[str]] = {}
    for key, why in plan.stale.items():
        if key.step == "extract":
            partitions.setdefault(key.name, []).append(key.partition)
            reasons.setdefault(key.name, Counter())[why] += 1
    for name, days in partitions.items():
        row = StepRow(plan.run_id, "extract", name, _span(days), why=_why(reasons[name]), parts=len(days))
        yield row
    for key, why in plan.stale.items():
        if key.step != "extract":
            yield StepRow(plan.run_id, key.step, key.name, why="not done yet" if why == _NEVER else why)


def note_deliveries(run: Recorded, due: Mapping[str, Sequence[date]]) -> None:
    """Note that these deliveries are to be fetched, or made by the tasks which sources name."""
    run_id = run.row.run_id
    with suppress(LedgerError):
        rows = []
        for name, days in due.items():
            source = run.plan.catalog.sources[name]
            why = "its task is to make it" if source.task else "it is waited for"
            step, why = (FETCH, "it is asked what is new") if source.fetch else (DELIVER, why)
            rows.append(StepRow(run_id, step, name, _span([str(day) for day in days]), why=why, parts=len(days)))
        run.history.plan(rows)


def note_delivered(run: Recorded, due: Iterable[str]) -> None:
    """Note which of the deliveries were made, and why the others were not."""
    failed: dict[str, list[str]] = {}
    for (name, _), why in run.undelivered.items():
        failed.setdefault(name, []).append(why)
    with suppress(LedgerError):
        run.history.fail(run.row.run_id, {StepId(DELIVER, name): "\n".join(why) for name, why in failed.items()})
        run.history.done(run.row.run_id, [StepId(DELIVER, name) for name in due if name not in failed])


@contextmanager
def recorded(
    run: Recorded,
    step: str,
    names: Iterable[str] = ("",),
    *,
    is_shared: bool = False,
    dates: Sequence[date] = (),
    receipts: Mapping[Key, Receipt] | None = None,
) -> Iterator[None]:
    """Note that steps of one kind are under way meanwhile, and what they cost this process.

    With `is_shared` they are done in one go, and the receipt of each says when it began and what it has cost.
    `dates` are the partitions that are extracted, `receipts` those that the step began with.
    Raises DeadlinePassed if they cannot be finished in time.
    """
    names = list(names)
    if run.project.settings.deadline and step != DELIVER:
        run.doing = None
        deadline.check(run, [StepId(step, name) for name in names])
    doing = Doing([StepId(step, name) for name in names], dates=dates, receipts=receipts or {})
    run.doing = doing
    run_id = run.row.run_id
    with suppress(LedgerError):
        run.history.begin(run_id, doing.steps, "" if is_shared else doing.meter.started_at)
    try:
        yield
    finally:
        if not is_shared:
            with suppress(LedgerError):
                run.history.add(run_id, dict.fromkeys(doing.steps, doing.meter.spent()))


def retried(run: Recorded, do: Callable[[], _Result]) -> _Result:
    """Do the work of the steps that are under way, again if that helps; note how often in history and receipts."""
    doing, run_id = run.doing, run.row.run_id
    assert doing
    attempts = 1

    def note(begun: int) -> None:
        nonlocal attempts
        attempts = begun
        with suppress(LedgerError):
            run.history.tried(run_id, doing.steps, attempts)

    result = engine.retried(do, run.project.settings.retries, few(doing.steps), note)
    if attempts > 1:
        with suppress(LedgerError):
            run.history.tried_again(run_id, doing.steps, attempts)
    return result


def note_failed(run: Recorded, error: Exception) -> dict[StepId, str]:
    """Note that what this process does has failed, and why: of several steps, those without a receipt.

    Return these with the reason of each.
    """
    doing, run.doing = run.doing, None
    if doing is None:
        return {}
    with suppress(LedgerError):
        receipts = run.ledger.receipts()
        left = [step for step in doing.steps if not _is_proved(run, receipts.get(Key(*step)))]
        each = error.each if isinstance(error, EtlError) else {}
        # of what was to be done in one go, that of which nothing is said only waits for another
        reasons = {step: each.get(step.name, "") if each else str(error) for step in left}
        failed = {step: why for step, why in reasons.items() if why}
        run.history.fail(run.row.run_id, failed)
        run.history.wait(run.row.run_id, [step for step in left if step not in failed])
        return failed
    return {}


def close(run: Recorded) -> None:
    """Note what became of each step of a run that was planned, before its outcome is written."""
    run_id = run.row.run_id
    with suppress(LedgerError):
        run.history.settle(run_id)
        rows = run.history.steps([run_id])
        run.history.close(run_id, dict(waiting(run, rows)), otherwise="The run ended before it was done.")


def close_killed(history: History, run_id: str, outcome: str, why: str = "") -> None:
    """Note what became of each step of a run that could not note it itself, but has published, or was killed."""
    with suppress(LedgerError):
        history.settle(run_id)
        running = DONE if outcome == "published" else KILLED
        why = why or "The run was killed before it was done."
        history.close(run_id, {}, otherwise=why, running=running)


def prune(run: Recorded) -> None:
    """Forget the runs and logs that are beyond what the project keeps."""
    settings = run.project.settings
    days = settings.keep_run_days
    since = (datetime.now(UTC) - timedelta(days)).isoformat() if days else ""
    with suppress(LedgerError, OSError):
        gone = run.history.prune(settings.keep_runs, since, [run.row.run_id])
        forget_logs(run.project, gone, since, run.ledger)
        old = settings.keep_failure_days
        since = f"{datetime.now(UTC) - timedelta(old):%Y%m%d}" if old else ""
        forget_bundles(run.project, gone, run.ledger, since)


def waiting(run: Recorded, rows: Collection[StepRow]) -> Iterator[tuple[StepId, str]]:
    """Yield the steps that were not begun, each with what it waits for."""
    failed = {row.id for row in rows if row.outcome == FAILED}
    is_late = any(step == deadline.DEADLINE for step, _ in run.ledger.problems(run.row.run_id))
    for row in rows:
        if row.outcome == WAITING:
            culprits = [str(step) for step in failed if _stands_on(run.plan, row.id, step)]
            if culprits:
                yield row.id, f"It waits for {few(sorted(culprits))}, which failed."
            elif lacking := [f"{name} {day}" for name, day in run.lacking]:
                yield row.id, f"It waits for a delivery that is missing: {few(lacking)}."
            elif is_late:
                yield row.id, deadline.NO_TIME
            elif not run.is_whole:
                yield row.id, "It was not asked for."


def _stands_on(plan: Plan, step: StepId, other: StepId) -> bool:
    """Return whether a step needs another one, through any number of steps."""
    if step in (AUDIT, PUBLISH):
        return other != PUBLISH
    if other in (AUDIT, PUBLISH):
        return False
    if step.step in _BEFORE:
        return other.name == step.name and other.step in _BEFORE[: _BEFORE.index(step.step)]
    if other.step == "transform":
        return other.name in plan.models.models and other.name in _read_by(plan, step.name)
    return other.name in plan.sources_of.get(step.name, ())


def _read_by(plan: Plan, name: str) -> set[str]:
    """Return the models that a model reads, through any number of others."""
    found: set[str] = set()
    left = [name]
    while left:
        model = plan.models.models.get(left.pop())
        new = set(model.reads) - found if model else set()
        found |= new
        left += new
    return found


def _is_proved(run: Recorded, receipt: object) -> bool:
    return getattr(receipt, "run_id", None) == run.row.run_id


def _planning(run: Recorded) -> StepRow:
    return StepRow(run.row.run_id, *PLAN, outcome=DONE, attempts=1, **vars(run.meter.spent()))


def _span(days: Sequence[str]) -> str:
    """Return which partitions: one, or the first and the last."""
    first, last = min(days), max(days)
    return first if len(days) == 1 else f"{first}..{last} ({len(days):,})"


def _why(reasons: Counter[str]) -> str:
    """Return why deliveries are to be taken."""
    said = {"new delivery" if why == _NEVER else why: count for why, count in reasons.most_common()}
    return next(iter(said)) if len(said) == 1 else "; ".join(f"{why} ({count:,})" for why, count in said.items())
