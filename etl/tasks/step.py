"""What every task of a run has in common: its project, its run, the receipts that prove it, and its failure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache, partial
from typing import Any, ClassVar, TypeVar

import luigi
from luigi.configuration import add_config_path, get_config
from luigi.interface import PidLockAlreadyTakenExit, core

from etl.ledger import Key
from etl.plan.scope import Scope
from etl.project import Project, load_project
from etl.run import waits
from etl.run.active import ActiveRun, active_run, has_crashed
from etl.run.stopping import Stopped, heard
from etl.tasks import executions, setup, targets
from etl.tasks import options as luigi_options

setup.configure(get_config(), add_config_path)
setup.exit_as_crash(has_crashed)
setup.exit_as_stopped(Stopped)
saying = partial(setup.saying, PidLockAlreadyTakenExit)


class Step(luigi_options.Asked):
    """A task of one run of one project; both are part of its identity on a shared scheduler."""

    # public, since Luigi leaves hidden parameters out of a task's id, whatever it says of their significance
    project = luigi.Parameter(positional=False, description="set by etl")
    run_id = luigi.Parameter(positional=False, description="set by etl")
    #: Whether everything that is stale is asked for.
    is_whole = False
    #: The kind of task that stands for a delivery, set where it is defined.
    delivery: ClassVar[type[luigi.Task]]
    #: The kinds that stand for a partition of the lake, a table and a model.
    work: ClassVar[tuple[type[luigi.Task], type[luigi.Task], type[luigi.Task]]]

    @classmethod
    @cache
    def get_params(cls) -> Any:
        """Return the parameters of the class; Luigi looks for them anew, at 0.1 ms, many times per task."""
        return super().get_params()  # type: ignore[no-untyped-call]

    @classmethod
    def get_param_values(cls, params: Any, args: Any, kwargs: Any) -> Any:
        """Give the task that was asked for, which has none, its project and a new run."""
        if "run_id" in kwargs:
            return super().get_param_values(params, args, kwargs)
        project = kwargs.get("project") or setup.default_project()
        values = super().get_param_values(params, args, {"run_id": "", **kwargs, "project": project})
        scope = cls.scope_of(dict(values))
        run_id = executions.run_id_of(project, scope, Scope(setup.default_date()))
        return [(name, run_id if name == "run_id" else value) for name, value in values]

    @classmethod
    def scope_of(cls, values: Mapping[str, Any]) -> Scope | None:
        """Return which deliveries a run takes that begins with this task; None: all up to today."""
        return None

    @property
    def place(self) -> Project:
        """The project; to know it, no run is begun."""
        return load_project(self.project)

    @property
    def keys(self) -> list[Key]:
        """The receipts that prove this task done."""
        return []

    @property
    def active(self) -> ActiveRun:
        """The run that this task belongs to; the first task that asks begins it."""
        scope = self.scope_of(self.param_kwargs)
        run = active_run(self.project, self.run_id, scope, self.is_whole, _workers())
        executions.join(self.project, run.scope, self.run_id)
        return run

    @property
    def sources(self) -> Collection[str]:
        """The sources that this task stands on; by default all of them."""
        return self.active.plan.catalog.sources

    def complete(self) -> bool:
        """Compare the ledger with the plan; nothing else is opened. What is still to be delivered is not done."""
        with saying():
            run = self.active
            if run.awaited and not run.awaited.keys().isdisjoint(self.sources):
                return False
            return run.is_done(*self.keys)

    def output(self) -> Any:
        """Return what there is when the task is done, to be read; see targets."""
        raise NotImplementedError

    def proof(self, *keys: Key) -> targets.Proof:
        """Return what answers whether these steps are done; no run begins before it is asked."""
        return lambda: self.active.is_done(*keys)

    def deps(self) -> Any:
        """Return what Luigi must have done before. Who asks is about to do it: deliveries are made first."""
        with saying():
            run = self.active
            if run.awaited:
                from etl.tasks import upstream

                upstream.deliver(run, self.delivery, self.work, self.sources)
            return super().deps()  # type: ignore[no-untyped-call]

    def run(self) -> None:
        """Do the step; a failure is said and noted before Luigi hears of it."""
        run = self.active
        run.watch_parent()
        if (run.plan.awaited or waits.may_wait(run.plan)) and self.complete():
            # it seemed to have work when it was asked for, before the deliveries were made
            return
        try:
            with heard():
                self.do(run)
        except Exception as error:
            own = [str(v) for name, v in self.param_kwargs.items() if v and name not in ("project", "run_id")]
            raise self.steps.failed(error, run, self.task_family, own) from error
        run.doing = None

    @property
    def steps(self) -> Any:
        """The module of the steps, imported when one is to be done: a night with nothing new does none."""
        from etl.run import steps

        return steps

    def do(self, run: ActiveRun) -> None:
        """Do the work of the step, if it has any."""

    def other(self, kind: type[_Task], **values: Any) -> _Task:
        """Return a task of the same run."""
        return kind(project=self.project, run_id=self.run_id, **values)


_Task = TypeVar("_Task", bound=Step)


class WarehouseStep(Step):
    """A step that opens build.duckdb: one at a time per project, on any scheduler."""

    def process_resources(self) -> dict[str, int]:
        # a killed run's, which a scheduler still believes in, is another
        return {f"warehouse {self.project} {self.run_id}": 1}


@cache
def _workers() -> int:
    """Return how many processes Luigi works with; it reads thirty options each time that it is asked."""
    return int(core().workers)
