"""What is to be done again of a run: what failed in it, and what waited for that."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from etl.ledger import Ledger, Run
from etl.ledger.history import FAILED, KILLED, SKIPPED, History, StepRow
from etl.ledger.parking import failed_nights
from etl.project import Project

#: The steps of a source; all others follow from what became stale.
_OF_SOURCES = ("fetch", "deliver", "extract", "load")
#: What is said of a step that was skipped because nobody asked for it.
_NOT_ASKED = "It was not asked for."


@dataclass(frozen=True)
class Again:
    """A run, what of it is to be done again, and of which sources; None if nobody knows, so that all count."""

    run: Run
    steps: list[StepRow]
    sources: list[str] | None

    @property
    def arguments(self) -> list[str]:
        """The task of Luigi that does it, with its options."""
        if self.sources is None:
            return ["Nightly", "--date", self.run.batch_date]
        return ["Retried", "--date", self.run.batch_date, "--sources-only", ",".join(self.sources)]


def parked_sources(project: Project, ledger: Ledger) -> list[str]:
    """Return the sources of which deliveries are parked, since they failed on more nights than they are tried."""
    most = project.settings.retry_failed
    return sorted({failed.source for failed in failed_nights(ledger).values() if failed.nights > most > 0})


def what_failed(ledger: Ledger, run: Run, parked: Collection[str] = ()) -> Again | None:
    """Return what is to be done again of a run, and of sources that have something `parked`; None if nothing."""
    steps = [step for step in History(ledger).steps([run.run_id]) if _is_left(step)]
    is_unknown = run.outcome == "missing data" or any(step.step == "plan" for step in steps)
    if not steps:
        # a run that was killed, or failed, before its steps were noted
        if run.outcome in ("failed", "killed", "missing data"):
            return Again(run, [], None)
        return Again(run, [], sorted(parked)) if parked else None
    return Again(run, steps, None if is_unknown else sorted({*_sources(steps), *parked}))


def _is_left(step: StepRow) -> bool:
    if step.outcome == SKIPPED:
        return step.message != _NOT_ASKED
    return step.outcome in (FAILED, KILLED)


def _sources(steps: list[StepRow]) -> Iterator[str]:
    return (step.name for step in steps if step.step in _OF_SOURCES)
