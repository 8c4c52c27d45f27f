"""The Luigi graph: a task is named for what exists when it is done; the steps do the work.

RawFile -> LakePartition -> LoadedTable -> BuiltModel -> AuditedWarehouse -> PublishedWarehouse -> Nightly
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import cache, partial
from typing import Any, TypeVar

import luigi
from luigi.configuration import add_config_path, get_config
from luigi.interface import PidLockAlreadyTakenExit, core
from luigi.retcodes import run_with_retcodes

from etl.ledger import Key
from etl.ledger.keys import AUDIT, PUBLISH, extract_key, load_key, transform_key
from etl.plan import Plan, Scope
from etl.run import steps
from etl.run.active import ActiveRun, active_run, has_crashed, new_run_id
from etl.tasks import options as luigi_options
from etl.tasks import setup

log = logging.getLogger("etl")
setup.configure(get_config(), add_config_path)
setup.exit_as_crash(has_crashed)
_saying = partial(setup.saying, PidLockAlreadyTakenExit)


class Step(luigi_options.Asked):
    """A task of one run of one project; both are part of its identity on a shared scheduler."""

    # public, since Luigi leaves hidden parameters out of a task's id, whatever it says of their significance
    project = luigi.Parameter(positional=False, description="set by etl")
    run_id = luigi.Parameter(positional=False, description="set by etl")

    @classmethod
    @cache
    def get_params(cls) -> Any:
        """Return the parameters of the class; Luigi looks for them anew, at 0.1 ms, many times per task."""
        return super().get_params()  # type: ignore[no-untyped-call]

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        """Give the task that was asked for, which has none, its project and a new run."""
        given = {} if "run_id" in kwargs else {"project": setup.default_project(), "run_id": new_run_id()}
        return super().get_param_values(params, args, {**given, **kwargs})

    @property
    def scope(self) -> Scope | None:
        """Which deliveries a run takes that begins with this task; None: all up to today."""
        return None

    @property
    def keys(self) -> list[Key]:
        """The receipts that prove this task done."""
        return []

    @property
    def active(self) -> ActiveRun:
        """The run that this task belongs to; the first task that asks begins it."""
        return active_run(self.project, self.run_id, self.scope, isinstance(self, Batch), _workers())

    def complete(self) -> bool:
        """Compare the ledger with the plan; nothing else is opened."""
        with _saying():
            return self.active.is_done(*self.keys)

    def deps(self) -> Any:
        """Return what Luigi must have done before."""
        with _saying():
            return super().deps()  # type: ignore[no-untyped-call]

    def run(self) -> None:
        """Do the step; a failure is said and noted before Luigi hears of it."""
        run = self.active
        run.watch_parent()
        try:
            self.do(run)
        except Exception as error:
            own = [str(v) for name, v in self.param_kwargs.items() if v and name not in ("project", "run_id")]
            raise steps.failed(error, run, self.task_family, own) from error

    def do(self, run: ActiveRun) -> None:
        """Do the work of the step, if it has any."""

    def missing(self) -> Iterator[Step]:
        """Yield the required deliveries that are not there."""
        return (self.other(RawFile, source=name, date=day) for name, day in self.active.plan.missing.items())

    def other(self, kind: type[_Task], **values: Any) -> _Task:
        """Return a task of the same run."""
        return kind(project=self.project, run_id=self.run_id, **values)


_Task = TypeVar("_Task", bound=Step)


class WarehouseStep(Step):
    """A step that opens build.duckdb: one at a time per project, on any scheduler."""

    def process_resources(self) -> dict[str, int]:
        # a killed run's, which a scheduler still believes in, is another
        return {f"warehouse {self.project} {self.run_id}": 1}


class RawFile(luigi.ExternalTask, Step):  # type: ignore[misc]
    """A delivery; missing only if its source requires it."""

    source = luigi.Parameter()
    date = luigi_options.DateParameter()

    def complete(self) -> bool:
        """Tell whether the file was there when the run was planned."""
        return self.date in self.active.plan.held[self.source]


class LakePartition(Step):
    """Partitions of one source in the lake; Luigi joins as many `dates` as keep every worker busy."""

    # the earlier stage goes first, so that the next one has more to join
    priority = 2
    source = luigi.Parameter()
    dates = luigi_options.DatesParameter(batch_method=",".join)

    @property
    def max_batch_size(self) -> float:  # type: ignore[override]
        """How many partitions of a source one process takes; Luigi asks once for all sources."""
        return self.active.batch_size

    @property
    def days(self) -> list[date]:
        return [date.fromisoformat(day) for day in self.dates.split(",")]

    @property
    def keys(self) -> list[Key]:
        return [extract_key(self.source, day) for day in self.days]

    def requires(self) -> Iterator[Step]:
        return (self.other(RawFile, source=self.source, date=day) for day in self.days)

    def do(self, run: ActiveRun) -> None:
        steps.extract(run, self.source, self.days)


class LoadedTable(WarehouseStep):
    """The table raw.<source>, holding exactly the partitions of the lake; Luigi joins several `source`s."""

    priority = 1
    source = luigi.Parameter(batch_method=",".join)

    @property
    def keys(self) -> list[Key]:
        return [load_key(source) for source in self.source.split(",")]

    def requires(self) -> Iterator[Step]:
        for source in self.source.split(","):
            for delivery in self.active.plan.stale_partitions(source):
                yield self.other(LakePartition, source=source, dates=str(delivery.date))

    def do(self, run: ActiveRun) -> None:
        steps.load(run, self.source.split(","))


class BuiltModel(WarehouseStep):
    """Models' tables and views, those that `name` selects and what they read; one task for all that is stale."""

    name = luigi.Parameter()
    date = luigi_options.DateParameter(default=None, positional=False, description="default: today")  # type: ignore[arg-type]

    @property
    def scope(self) -> Scope | None:
        return Scope(self.date) if self.date else None

    @property
    def names(self) -> list[str]:
        """The models, and the stale ones that they read, each after those that it reads."""
        return self.active.plan.selected(self.name)

    @property
    def keys(self) -> list[Key]:
        return [transform_key(name) for name in self.names]

    def requires(self) -> Iterator[Step]:
        sources = {source for name in self.names for source in self.active.plan.sources_of[name]}
        return _loads(self.active.plan, self.other, sources)

    def do(self, run: ActiveRun) -> None:
        steps.transform(run, self.names)


class AuditedWarehouse(WarehouseStep):
    """A candidate that passed every error-severity check."""

    @property
    def keys(self) -> list[Key]:
        return [AUDIT]

    def requires(self) -> Iterator[Step]:
        plan = self.active.plan
        yield from _loads(plan, self.other, plan.catalog.sources)
        if names := plan.with_stale_models():
            yield self.other(BuiltModel, name=",".join(names))

    def do(self, run: ActiveRun) -> None:
        steps.audit(run)


class PublishedWarehouse(WarehouseStep):
    """The generation that analysts open."""

    @property
    def keys(self) -> list[Key]:
        return [PUBLISH]

    def requires(self) -> Iterator[Step]:
        yield self.other(AuditedWarehouse)
        yield from self.missing()

    def do(self, run: ActiveRun) -> None:
        steps.publish(run)


class Batch(Step):
    """Everything that is stale; what Nightly and Backfill have in common."""

    @property
    def keys(self) -> list[Key]:
        return list(self.active.plan.stale)

    def complete(self) -> bool:
        """Tell whether nothing is stale and nothing required is missing."""
        return super().complete() and not self.active.plan.missing

    def requires(self) -> Iterator[Step]:
        plan = self.active.plan
        yield self.other(PublishedWarehouse)
        yield self.other(AuditedWarehouse)
        # also when what is published is complete without them
        yield from self.missing()
        yield from _loads(plan, self.other, plan.catalog.sources)
        # of the others, LoadedTable asks for the partitions
        for source in (name for name in plan.held if load_key(name) not in plan.stale):
            for delivery in plan.stale_partitions(source):
                yield self.other(LakePartition, source=source, dates=str(delivery.date))


class Nightly(Batch):
    """Every delivery up to `date` that is new or changed, published; by default up to today."""

    date = luigi_options.DateParameter(positional=False, description="the batch date; default: today")
    allow_withdrawn = luigi.Parameter(
        default="",
        positional=False,
        description="sources, with commas, of which more than max_withdrawn files may be gone",
    )

    force = luigi.BoolParameter(positional=False, description="publish even if a rollback holds it")

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        return super().get_param_values(params, args, {"date": setup.default_date(), **kwargs})

    @property
    def scope(self) -> Scope:
        return Scope(self.date, allow_withdrawn=self.allow_withdrawn, publish_held=self.force)


class Backfill(Batch):
    """The deliveries from `start` to `stop`, of all sources or one; `force` takes them again."""

    start = luigi_options.DateParameter(positional=False, description="the first date")
    stop = luigi_options.DateParameter(positional=False, description="the last date")
    source = luigi.Parameter(default="", positional=False, description="one source; default: all")
    force = luigi.BoolParameter(positional=False, description="also what is done and unchanged")

    @property
    def scope(self) -> Scope:
        return Scope(self.stop, self.start, self.source, force=self.force)


def run_luigi(arguments: Sequence[str]) -> None:
    """Run Luigi as its own command does: it ends the process with the exit code."""
    run_with_retcodes(["--module", "etl", *arguments])


@cache
def _workers() -> int:
    """Return how many processes Luigi works with; it reads thirty options each time that it is asked."""
    return int(core().workers)


def _loads(plan: Plan, other: Callable[..., Step], sources: Iterable[str]) -> Iterator[Step]:
    """Yield the tasks of the raw tables that are to be loaded."""
    return (other(LoadedTable, source=name) for name in sorted(sources) if load_key(name) in plan.stale)
