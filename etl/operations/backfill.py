"""Which partitions a backfill takes, and why; and with which it goes on after it was ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from etl.errors import ConfigError
from etl.ledger import Key, Ledger, Run
from etl.ledger.keys import extract_key
from etl.plan import Plan, Scope, make_plan
from etl.plan.reasons import about_delivery
from etl.project import Project

#: How a run ends that leaves nothing to go on with.
_WELL = ("published", "unchanged")


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A delivery in the range of a backfill: whether it is taken, and why; `is_awaited` if it is not there yet."""

    source: str
    date: date
    is_taken: bool
    why: str
    is_awaited: bool = False


def partitions(project: Project, ledger: Ledger, scope: Scope) -> list[Partition]:
    """Return the deliveries in a scope by source and date, and those that are fetched or made first.

    Raises ConfigError for a scope that cannot be, and what the definitions raise.
    """
    plan = make_plan(project, ledger, scope)
    found = [
        _partition(plan, name, day) for name, held in plan.held.items() for day in held if scope.takes(name, day)
    ]
    awaited = [
        Partition(
            source=name, date=day, is_taken=True, why="the run first has it fetched or made", is_awaited=True
        )
        for name, days in plan.awaited.items()
        for day in days
    ]
    return sorted([*found, *awaited], key=lambda one: (one.source, one.date))


def begun_by(run: Run) -> str:
    """Return the id of the run with which a forced backfill goes on. Raises ConfigError if that run ended well."""
    if run.outcome in _WELL:
        raise ConfigError(f"Run {run.run_id} ended well ({run.outcome}). Leave --resume out to begin again.")
    return run.run_id


def _partition(plan: Plan, name: str, day: date) -> Partition:
    key = extract_key(name, day)
    why = plan.stale.get(key, "")
    return Partition(
        source=name,
        date=day,
        is_taken=bool(why),
        why=("forced" if key in plan.forced else about_delivery(plan, name, day)) if why else _kept(plan, key),
    )


def _kept(plan: Plan, key: Key) -> str:
    return f"extracted since run {plan.scope.since}" if key in plan.forced else "unchanged"
