"""What is to be done again of a run: what failed in it, and what waited for that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from etl.ledger import Ledger, Run
from etl.ledger.history import FAILED, KILLED, SKIPPED, History, StepRow

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


def what_failed(ledger: Ledger, run: Run) -> Again | None:
    """Return what is to be done again of a run; None if nothing failed in it."""
    steps = [step for step in History(ledger).steps([run.run_id]) if _is_left(step)]
    is_unknown = run.outcome == "missing data" or any(step.step == "plan" for step in steps)
    if not steps:
        # a run that was killed, or failed, before its steps were noted
        return Again(run, [], None) if run.outcome in ("failed", "killed", "missing data") else None
    return Again(run, steps, None if is_unknown else sorted(set(_sources(steps))))


def _is_left(step: StepRow) -> bool:
    if step.outcome == SKIPPED:
        return step.message != _NOT_ASKED
    return step.outcome in (FAILED, KILLED)


def _sources(steps: list[StepRow]) -> Iterator[str]:
    return (step.name for step in steps if step.step in _OF_SOURCES)
