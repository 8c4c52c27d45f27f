"""Clearing: a source or a model is done again by the next run, as if nothing had been done of it yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from etl.errors import ConfigError, unknown
from etl.ledger import Key, Ledger
from etl.ledger.cleared import clear_steps
from etl.ledger.keys import AUDIT, PUBLISH, extract_key, load_key, transform_key
from etl.ledger.lock import locked
from etl.operations.purge import made_of
from etl.plan import Plan, Scope, make_plan
from etl.plan.definitions import definitions
from etl.project import Project
from etl.run.origin import new_run_id
from etl.stages.lake.layout import partition_folders


@dataclass(frozen=True, kw_only=True)
class Cleared:
    """What the next run does again: partitions of a source, and models; and the dates whose files are gone."""

    dates: list[date]
    models: list[str]
    gone: list[date]


def clear(project: Project, name: str, takes: Callable[[date], bool] | None = None) -> Cleared:
    """Have the next run do a source again, on the dates that `takes` takes, or a model; and all that reads it.

    Nothing is deleted, and what was taken of a file that is gone stays as it is. Raises ConfigError for a name
    that is neither, for dates of a model, and if nothing was taken yet; AlreadyRunning if a run is under way.
    """
    with locked(project, "etl clear"):
        ledger = Ledger(project.ledger)
        plan = make_plan(project, ledger, Scope(project.today()))
        if name in plan.models.models:
            if takes:
                raise ConfigError(f"{name} is a model, which is built as a whole. Leave the dates out.")
            cleared, keys = Cleared(dates=[], models=made_of(name, plan.models), gone=[]), list[Key]()
        elif name in plan.catalog.sources:
            cleared = _source(plan, name, takes or (lambda _: True))
            keys = [load_key(name), *(extract_key(name, day) for day in cleared.dates)]
        else:
            known = [*plan.catalog.sources, *plan.models.models]
            raise ConfigError(unknown(f"There is no source or model {name}", name, known))
        keys += [transform_key(model) for model in cleared.models]
        # the time alone sorts before the ids of the runs of the same moment
        since = new_run_id().rpartition("-")[0]
        clear_steps(ledger, [key for key in (*keys, AUDIT, PUBLISH) if key in plan.receipts], since)
        return cleared


def is_removed(project: Project, name: str) -> bool:
    """Return whether a name is only that of a source that was removed from the contracts."""
    with closing(Ledger(project.ledger, is_reading=True)) as ledger:
        catalog, models = definitions(project, ledger)
    is_known = name in catalog.sources or name in models.models or Path(name).name != name
    return not is_known and bool(partition_folders(project, name))


def _source(plan: Plan, name: str, takes: Callable[[date], bool]) -> Cleared:
    taken = list(_taken(plan, name, takes))
    dates = [day for day in taken if plan.held[name][day].is_in_raw]
    if not dates:
        why = f"the files of what was taken are gone from {plan.catalog.sources[name].home}/" if taken else ""
        raise ConfigError(f"Nothing of {name} can be taken again: {why or 'nothing was taken of it yet'}.")
    models = made_of(f"raw.{name}", plan.models)[1:]
    return Cleared(dates=dates, models=models, gone=[day for day in taken if day not in dates])


def _taken(plan: Plan, name: str, takes: Callable[[date], bool]) -> Iterator[date]:
    return (day for day in plan.held[name] if takes(day) and extract_key(name, day) in plan.receipts)
