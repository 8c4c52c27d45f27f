"""The Luigi graph: a task is named for what exists when it is done; the steps do the work.

RawFile -> LakePartition -> LoadedTable -> BuiltModel -> AuditedWarehouse -> PublishedWarehouse -> Nightly
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from configparser import Error as ConfigFileError
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

import luigi
from luigi.retcodes import run_with_retcodes

from etl.ledger import Key
from etl.ledger.keys import AUDIT, PUBLISH, extract_key, load_key, transform_key
from etl.plan.scope import Scope
from etl.project.unreadable import explained
from etl.run import telling
from etl.run.active import ActiveRun
from etl.run.stopping import Stopped
from etl.tasks import options as luigi_options
from etl.tasks import setup, targets
from etl.tasks.step import Step, WarehouseStep, saying

if TYPE_CHECKING:
    from etl.plan import Plan

_Target = TypeVar("_Target", bound=luigi.Target)


class RawFile(luigi.ExternalTask, Step):
    """A delivery; missing only if its source requires it, or names a task that did not make it."""

    source = luigi.Parameter()
    date = luigi_options.DateParameter()

    @property
    def sources(self) -> list[str]:
        return [self.source]

    @property
    def run(self) -> Callable[[], None] | None:  # type: ignore[override]
        """What Luigi runs after the task that makes the delivery; none of one that only a sender can bring."""
        return self._look if self.active.awaits(self.source, self.date) else None

    def requires(self) -> Iterator[luigi.Task]:
        """Yield the task that makes it, if its source names one."""
        source = self.active.plan.catalog.sources[self.source]
        if source.fetch and self.active.awaits(self.source, self.date):
            from etl.tasks.fetched import Fetched, fetched_of

            yield self.other(Fetched, **fetched_of(self.active, self.source, self.date))
        if source.task and (self.source, self.date) not in self.active.undelivered:
            from etl.tasks import makers

            yield makers.maker_of(self.place, source, self.date)

    def _look(self) -> None:
        from etl.tasks import upstream

        upstream.look_for(self.active, self.source, self.date)

    def complete(self) -> bool:
        """Return whether the file was there when the run was planned."""
        run = self.active
        if run.awaits(self.source, self.date):
            from etl.tasks import upstream

            return upstream.is_made(run, self.source, self.date)
        return (self.source, self.date) not in run.undelivered and self.date in run.plan.held[self.source]

    def output(self) -> targets.DeliveredFiles:
        return targets.DeliveredFiles(self.active.files_of(self.source, self.date), self.complete)


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
    def sources(self) -> list[str]:
        return [self.source]

    @property
    def days(self) -> list[date]:
        return [date.fromisoformat(day) for day in self.dates.split(",")]

    @property
    def keys(self) -> list[Key]:
        return [extract_key(self.source, day) for day in self.days]

    def requires(self) -> Iterator[Step]:
        return (self.other(RawFile, source=self.source, date=day) for day in self.days)

    def output(self) -> targets.PartitionFile | list[targets.PartitionFile]:
        return _one_or_all([self._file(day) for day in self.days])

    def _file(self, day: date) -> targets.PartitionFile:
        from etl.stages.lake import partition_file

        run, key = self.active, extract_key(self.source, day)
        path = partition_file(run.project.lake, run.plan.catalog.sources[self.source], day)
        return targets.PartitionFile(path, day, self.proof(key), lambda: run.has_file(key))

    def do(self, run: ActiveRun) -> None:
        self.steps.extract(run, self.source, self.days)


class LoadedTable(WarehouseStep):
    """The table raw.<source>, holding exactly the partitions of the lake; Luigi joins several `source`s."""

    priority = 1
    source = luigi.Parameter(batch_method=",".join)

    @property
    def sources(self) -> list[str]:
        return self.source.split(",")  # type: ignore[no-any-return]

    @property
    def keys(self) -> list[Key]:
        return [load_key(source) for source in self.sources]

    def requires(self) -> Iterator[Step]:
        yield from _awaited(self)
        for source in self.sources:
            for delivery in self.active.plan.stale_partitions(source):
                yield self.other(LakePartition, source=source, dates=str(delivery.date))

    def output(self) -> targets.PublishedTable | list[targets.PublishedTable]:
        tables = [(f"raw.{source}", self.proof(load_key(source))) for source in self.source.split(",")]
        return _one_or_all([targets.PublishedTable(self.place, *table) for table in tables])

    def do(self, run: ActiveRun) -> None:
        self.steps.load(run, self.source.split(","))


class BuiltModel(WarehouseStep):
    """Models' tables and views, those that `name` selects and what they read; one task for all that is stale."""

    name = luigi.Parameter()
    date = luigi_options.DateParameter(default=None, positional=False, description="default: today")  # type: ignore[arg-type]

    @classmethod
    def scope_of(cls, values: Mapping[str, Any]) -> Scope | None:
        return Scope(values["date"]) if values["date"] else None

    @property
    def sources(self) -> set[str]:
        from etl.models import select

        plan = self.active.plan
        return {source for name in select(plan.models, self.name) for source in plan.sources_of[name]}

    @property
    def names(self) -> list[str]:
        """The models, and the stale ones that they read, each after those that it reads."""
        return self.active.plan.selected(self.name)

    @property
    def keys(self) -> list[Key]:
        return [transform_key(name) for name in self.names]

    def requires(self) -> Iterator[Step]:
        sources = {source for name in self.names for source in self.active.plan.sources_of[name]}
        yield from _awaited(self)
        yield from _loads(self.active.plan, self.other, sources)

    def output(self) -> targets.PublishedTable | list[targets.PublishedTable]:
        """Return the tables that `name` selects; what they read is done before them."""
        from etl.models import select

        plan = self.active.plan
        tables = select(plan.models, self.name)
        needed = {name: map(transform_key, plan.with_stale_models([name])) for name in tables}
        found = [targets.PublishedTable(self.place, name, self.proof(*keys)) for name, keys in needed.items()]
        return _one_or_all(found)

    def do(self, run: ActiveRun) -> None:
        self.steps.transform(run, self.names)


Step.delivery, Step.work = RawFile, (LakePartition, LoadedTable, BuiltModel)


class AuditedWarehouse(WarehouseStep):
    """A candidate that passed every error-severity check."""

    @property
    def keys(self) -> list[Key]:
        return [AUDIT]

    def requires(self) -> Iterator[Step]:
        plan = self.active.plan
        yield from _awaited(self)
        yield from _loads(plan, self.other, plan.catalog.sources)
        if names := plan.with_stale_models():
            yield self.other(BuiltModel, name=",".join(names))

    def output(self) -> targets.Audit:
        return targets.Audit(self.place, self.proof(AUDIT))

    def do(self, run: ActiveRun) -> None:
        self.steps.audit(run)


class PublishedWarehouse(WarehouseStep):
    """The generation that analysts open."""

    @property
    def keys(self) -> list[Key]:
        return [PUBLISH]

    def requires(self) -> Iterator[Step]:
        yield self.other(AuditedWarehouse)
        yield from _missing(self)

    def output(self) -> targets.PublishedFile:
        return targets.PublishedFile(self.place, self.proof(PUBLISH))

    def do(self, run: ActiveRun) -> None:
        self.steps.publish(run)


class Batch(Step):
    """Everything that is stale; what Nightly and Backfill have in common."""

    is_whole = True

    def complete(self) -> bool:
        """Return whether nothing is stale, nothing required is missing, and each task made its delivery."""
        with saying():
            return self.active.is_over()

    def output(self) -> targets.PublishedFile:
        return targets.PublishedFile(self.place, self.complete)

    def requires(self) -> Iterator[Step]:
        plan = self.active.plan
        # imported once, before workers are forked
        assert self.steps
        yield self.other(PublishedWarehouse)
        yield self.other(AuditedWarehouse)
        # also when what is published is complete without them
        yield from _missing(self)
        yield from (self.other(RawFile, source=name, date=day) for name, day in self.active.undelivered)
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
        description="sources, with commas, that may lose more than max_withdrawn files",
    )

    force = luigi.BoolParameter(positional=False, description="publish even if a rollback holds it")

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        return super().get_param_values(params, args, {"date": setup.default_date(), **kwargs})

    @classmethod
    def scope_of(cls, values: Mapping[str, Any]) -> Scope:
        return Scope(values["date"], allow_withdrawn=values["allow_withdrawn"], publish_held=values["force"])


class Backfill(Batch):
    """The deliveries from `start` to `stop`, of all sources or one; `force` takes them again."""

    start = luigi_options.DateParameter(positional=False, description="the first date")
    stop = luigi_options.DateParameter(positional=False, description="the last date")
    source = luigi.Parameter(default="", positional=False, description="one source; default: all")
    force = luigi.BoolParameter(positional=False, description="also what is done and unchanged")
    since = luigi.Parameter(default="", positional=False, description="with force: but what this run extracted")

    @classmethod
    def scope_of(cls, values: Mapping[str, Any]) -> Scope:
        return Scope(
            values["stop"], values["start"], values["source"], force=values["force"], since=values["since"]
        )


class Retried(Batch):
    """What is stale up to `date`, with deliveries of some sources only: those that failed, as `etl retry` asks."""

    date = luigi_options.DateParameter(positional=False, description="the batch date of the run that failed")
    sources_only = luigi.Parameter(
        default="", positional=False, description="the sources to take, with commas; default: none"
    )

    @classmethod
    def scope_of(cls, values: Mapping[str, Any]) -> Scope:
        return Scope(values["date"], sources=values["sources_only"])


def run_luigi(arguments: Sequence[str]) -> None:
    """Run Luigi as its own command does: it ends the process with the exit code.

    Raises ConfigError, of which it was told, for a value in luigi.cfg that Luigi cannot read when it needs it.
    """
    try:
        run_with_retcodes(["--module", "etl", *arguments])
    except Stopped as stopped:
        # the end of the run says so
        raise SystemExit(stopped.exit_code) from None
    except ConfigFileError as error:
        told = explained(error)
        telling.not_begun("", "", told, None, is_whole=True)
        raise told from None


def _missing(task: Step) -> Iterator[Step]:
    """Yield the required deliveries that are not there."""
    return (task.other(RawFile, source=name, date=day) for name, day in task.active.lacking)


def _awaited(task: Step) -> Iterator[Step]:
    """Yield the deliveries that a task is still to make: who only looks at the graph sees them."""
    due = ((name, day) for name, days in task.active.awaited.items() if name in task.sources for day in days)
    return (task.other(RawFile, source=name, date=day) for name, day in due)


def _one_or_all(found: list[_Target]) -> _Target | list[_Target]:
    """Return the output of a task by itself if it has one, so that `self.input().path` is what it says."""
    return found[0] if len(found) == 1 else found


def _loads(plan: Plan, other: Callable[..., Step], sources: Iterable[str]) -> Iterator[Step]:
    """Yield the tasks of the raw tables that are to be loaded."""
    return (other(LoadedTable, source=name) for name in sorted(sources) if load_key(name) in plan.stale)
