"""Which partitions a backfill takes, and why; and with which it goes on after it was ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from etl.errors import ConfigError
from etl.ledger import Ledger, Run
from etl.ledger.keys import extract_key
from etl.plan import Plan, Scope, make_plan
from etl.plan.reasons import about_delivery
from etl.project import Project

#: How a run ends that leaves nothing to go on with.
_WELL = ("published", "unchanged")


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A delivery in the range of a backfill: if it is taken, and why; `run_id` is the run that took it last."""

    source: str
    date: date
    is_taken: bool
    why: str
    run_id: str


def partitions(project: Project, ledger: Ledger, scope: Scope) -> list[Partition]:
    """Return the deliveries in a scope by source and date, and those that are fetched or made first.

    Raises ConfigError for a scope that cannot be, and what the definitions raise.
    """
    plan = make_plan(project, ledger, scope)
    found = [
        _partition(plan, name, day) for name, held in plan.held.items() for day in held if scope.takes(name, day)
    ]
    awaited = [
        Partition(source=name, date=day, is_taken=True, why="the run first has it fetched or made", run_id="")
        for name, days in plan.awaited.items()
        for day in days
    ]
    return sorted([*found, *awaited], key=lambda one: (one.source, one.date))


def go_on(found: Sequence[Partition], run: Run) -> date | None:
    """Return the date with which a forced backfill goes on that `run` began; None if there is nothing to take.

    What was taken since that run began need not be taken again; but for the last date, if all of them were: what
    is built of them has to be built again too. Raises ConfigError if that run ended well.
    """
    if run.outcome in _WELL:
        raise ConfigError(f"Run {run.run_id} ended well ({run.outcome}). Leave --resume out to begin again.")
    # run ids sort by time
    left = [one.date for one in found if one.run_id < run.run_id]
    return min(left) if left else max((one.date for one in found), default=None)


def _partition(plan: Plan, name: str, day: date) -> Partition:
    key = extract_key(name, day)
    why = plan.stale.get(key, "")
    receipt = plan.receipts.get(key)
    return Partition(
        source=name,
        date=day,
        is_taken=bool(why),
        why=("forced" if key in plan.forced else about_delivery(plan, name, day)) if why else "unchanged",
        run_id=receipt.run_id if receipt else "",
    )
