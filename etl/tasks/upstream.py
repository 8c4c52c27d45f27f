"""The Luigi tasks that sources name: run before the plan is fixed, and what is said if one fails.

The plan counts the deliveries that are there, so those that a task makes are made before. They are made by Luigi,
with as many workers and the scheduler of the run: RawFile requires the task that the source names. A task that
fails stops nothing else of the night.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import date
from typing import Any

import luigi
from luigi.interface import core
from luigi.rpc import RemoteScheduler
from luigi.scheduler import Scheduler
from luigi.task import flatten
from luigi.worker import Worker

from etl.engine.limits import ended_after
from etl.errors import DeliveryError, EtlError, FetchError, TimedOut, sentence
from etl.ledger.history import StepId
from etl.ledger.keys import UNDELIVERED, UNFETCHED, load_key, transform_key
from etl.project import Project
from etl.run import deadline, recording, waits
from etl.run.active import ActiveRun
from etl.run.stopping import heard
from etl.stages import raw
from etl.tasks.makers import check, last_line, maker_of, told
from etl.tasks.options import Asked

log = logging.getLogger("etl")


#: The kinds of tasks that stand for a partition of the lake, a table and a model.
Kinds = tuple[type[luigi.Task], type[luigi.Task], type[luigi.Task]]


def is_made(run: ActiveRun, source: str, day: date) -> bool:
    """Return whether a delivery that a task makes lies in raw/; of a snapshot, whether its task is done too.

    What is fetched is asked for once in a run: whether anything came is another question.
    """
    found = run.plan.catalog.sources[source]
    if found.fetch:
        from etl.run import fetching

        is_there = not (run.is_waiting and waits.look(run, found, day))
        return fetching.is_over(run, source, day) and is_there
    if found.wait:
        return not waits.look(run, found, day)
    is_new = found.is_dated or maker_of(run.project, found, day).complete()
    return is_new and day in raw.find(found, found.root(run.project), day)


def look_for(run: ActiveRun, source: str, day: date) -> None:
    """Look for a delivery that is to be there now, or wait for it. Raises DeliveryError if it is not."""
    run.watch_parent()
    found = run.plan.catalog.sources[source]
    if found.fetch and run.is_waiting:
        from etl.run import fetching

        waits.wait(run, found, day, ask=lambda: fetching.fetch_in_run(run, [source], day))
    elif found.wait and not found.fetch:
        waits.wait(run, found, day)
    if not is_made(run, source, day):
        raise DeliveryError(f"{source} {day} is not in {found.root(run.project)}.")


def deliver(run: ActiveRun, kind: type[luigi.Task], kinds: Kinds, sources: Collection[str]) -> None:
    """Have the deliveries made that these sources lack, and fix the plan again if any came; `kind` is RawFile."""
    due = {name: days for name, days in run.awaited.items() if name in sources}
    if not due or run.is_delivering:
        return
    waited = waits.waited(run, due)
    if made := {name: days for name, days in due.items() if name not in waited}:
        unsaid = _deliver(run, kind, made)
        late = waits.late(run, made)
        for file, why in unsaid.items():
            if file.source not in late:
                _say(run, file, why)
        waited |= late
        run.awaited |= late
    if waited:
        _work_meanwhile(run, kinds, waited)
        _deliver(run, kind, waited, is_waiting=True)


def _deliver(
    run: ActiveRun, kind: type[luigi.Task], due: Mapping[str, Sequence[date]], *, is_waiting: bool = False
) -> dict[Any, str]:
    """Have deliveries made, fetched or waited for, as tasks of Luigi.

    Return why those were not made of which nothing is said yet, since waiting may bring them.
    """
    own = {"project": run.project.identity, "run_id": run.row.run_id}
    files: list[Any] = [kind(source=name, date=day, **own) for name, days in due.items() for day in days]
    before, started = _there(run, due), time.perf_counter()
    run.is_delivering, run.is_waiting = True, is_waiting
    recording.note_deliveries(run, due)
    try:
        check(run.plan)
        timely = _timely(run, due)
        problems = {file: timely[file.source] for file in files if timely[file.source]}
        begun = [name for name in due if not timely[name]]
        made = [name for name in begun if not run.plan.catalog.sources[name].fetch]
        if begun:
            with recording.recorded(run, recording.DELIVER, made) if made else nullcontext(), heard():
                problems |= _work(run, [file for file in files if file not in problems])
    except EtlError as error:
        run.note_problem("plan", error)
        recording.note_failed(run, error)
        raise
    finally:
        run.is_delivering = run.is_waiting = False
        for name in due:
            del run.awaited[name]
    sources = run.plan.catalog.sources
    unsaid = {
        file: why
        for file, why in problems.items()
        if not is_waiting and sources[file.source].fetch and waits.is_awaited(run, run.plan, sources[file.source])
    }
    for file in (file for file in problems if file not in unsaid):
        _say(run, file, problems[file], is_waiting=is_waiting)
    recording.note_delivered(run, made)
    if _there(run, due) != before:
        log.info("delivered %s in %.2f s", ", ".join(sorted(due)), time.perf_counter() - started)
        run.replan()
    return unsaid


def _timely(run: ActiveRun, sources: Iterable[str]) -> dict[str, str]:
    """Return why the tasks of sources are not begun; empty for those that are usually over by the deadline."""
    steps = [StepId(recording.DELIVER, name) for name in sources]
    begun = deadline.fitting(run, steps) if run.project.settings.deadline else steps
    return {step.name: "" if step in begun else deadline.untimely(run, step) for step in steps}


def _say(run: ActiveRun, file: Any, why: str, *, is_waiting: bool = False) -> None:
    """Say and note that a delivery was not made; of what is fetched and not required, as a warning."""
    source = run.plan.catalog.sources[file.source]
    if source.fetch and not is_waiting:
        return _say_unfetched(run, file, why, is_required=source.required)
    if source.wait:
        said = f"the delivery has not come. {sentence(why)} Ask its sender. When it is there:"
    else:
        said = f"the delivery was not made. {sentence(why)} Fix it and run again:"
    error = DeliveryError(f"{file.source} {file.date}: {said} etl run --date {run.plan.scope.last}")
    run.undelivered[file.source, file.date] = str(error)
    log.error("failed: %s", error)
    run.note_problem(UNDELIVERED, error)


def _say_unfetched(run: ActiveRun, file: Any, why: str, *, is_required: bool) -> None:
    again = f"The next run asks again; now: etl fetch {file.source}"
    error = FetchError(f"{sentence(why)} {again}")
    if is_required:
        run.undelivered[file.source, file.date] = str(error)
        log.error("failed: %s", error)
    else:
        log.warning("warning: %s", error)
    run.note_problem(UNDELIVERED if is_required else UNFETCHED, error)


def _work(run: ActiveRun, files: Sequence[Any]) -> dict[Any, str]:
    """Run tasks as Luigi does; return those that are not complete afterwards, with the reason."""
    circles = {file: why for file in files if (why := _circle(file.requires()))}
    minutes = _minutes(run, [file for file in files if file not in circles])

    def watch(task: Any) -> None:
        run.watch_parent()
        if minutes and not isinstance(task, Asked):
            _limit(task, *minutes.get(task.task_id, minutes[""]))

    scheduler = _scheduler()
    luigi.Task.event_handler(luigi.Event.START)(watch)
    try:
        options = {"worker_processes": run.workers, "no_install_shutdown_handler": True}
        with Worker(scheduler=scheduler, **options) as worker:
            for file in files:
                if file not in circles:
                    worker.add(file)
            worker.run()
    finally:
        luigi.Task.remove_event_handler(luigi.Event.START, watch)
    reasons = ((file, circles.get(file) or _reason(run, file, scheduler)) for file in files)
    return {file: why for file, why in reasons if why}


def _work_meanwhile(run: ActiveRun, kinds: Kinds, waited: Collection[str]) -> None:
    """Do all that is to be done and stands on none of the sources that are waited for; what fails stops no other.

    The plan that is fixed when they have come leaves out what is done.
    """
    with (
        heard(),
        Worker(scheduler=_scheduler(), worker_processes=run.workers, no_install_shutdown_handler=True) as worker,
    ):
        for task in _others(run, kinds, waited):
            worker.add(task)
        worker.run()


def _others(run: ActiveRun, kinds: Kinds, waited: Collection[str]) -> Iterator[luigi.Task]:
    lake, table, model = kinds
    plan = run.plan
    own: dict[str, Any] = {"project": run.project.identity, "run_id": run.row.run_id}
    for name in sorted(plan.held.keys() - waited):
        if load_key(name) in plan.stale:
            yield table(source=name, **own)
        else:
            for delivery in plan.stale_partitions(name):
                yield lake(source=name, dates=str(delivery.date), **own)
    stale = (name for name in plan.models.models if transform_key(name) in plan.stale)
    if free := [name for name in stale if not any(source in waited for source in plan.sources_of[name])]:
        yield model(name=",".join(free), **own)


def _minutes(run: ActiveRun, files: Iterable[Any]) -> dict[str, tuple[str, float]]:
    """Return the source of each task that files stand on, and how many minutes it may take; 0: its time.

    Nothing is returned if no source has a limit. What several sources stand on may take as long as any allows; so
    may what only tasks themselves know to require, which is under no name.
    """
    found: dict[str, tuple[str, float]] = {}
    for file in files:
        limit = run.plan.catalog.sources[file.source].timeout_minutes
        for task in _below(file.requires()):
            before = found.get(task.task_id, (file.source, limit))[1]
            found[task.task_id] = (file.source, 0 if not (before and limit) else max(before, limit))
    limits = [limit for _, limit in found.values()]
    return {**found, "": ("", max(limits) if all(limits) else 0)} if any(limits) else {}


def _below(tasks: Any) -> Iterator[Any]:
    """Yield tasks that are not complete, and what they require."""
    for task in flatten(tasks):
        # what cannot be asked is said when it is run
        with suppress(Exception):
            if not task.complete():
                yield task
                yield from _below(task.requires())


def _limit(task: Any, source: str, minutes: float) -> None:
    """End a task that is about to run if it takes longer than so many minutes; one may yield what it requires."""
    work, following = task.run, "Find out why, or allow it more."

    def limited() -> Iterator[Any]:
        with ended_after(minutes, _named(task), (recording.DELIVER, source), following=following):
            result = work()
            if isinstance(result, Generator):
                yield from result

    task.run = limited


def _scheduler() -> Any:
    """Return the scheduler of the run: the central one, if it has one."""
    options = core()
    if options.local_scheduler:
        return Scheduler(prune_on_get_work=True, record_task_history=False)
    url = options.scheduler_url or f"http://{options.scheduler_host}:{options.scheduler_port}/"
    return RemoteScheduler(url)


def _reason(run: ActiveRun, file: Any, scheduler: Any) -> str:
    """Return why a delivery is not there; empty if it is."""
    source = run.plan.catalog.sources[file.source]
    if source.fetch and not run.is_waiting:
        from etl.run import fetching

        return fetching.why_not(run, file.source, file.date)
    if source.wait:
        return waits.why_late(run, source, file.date)
    for task in flatten(file.requires()):
        if why := _why(task, scheduler, run.project):
            return why
    found = raw.look(source, source.root(run.project), file.date, time.time_ns())
    if file.date in found.complete:
        return ""
    place = source.where(run.project, file.date)
    waiting = found.incomplete.get(file.date, f"there is no {place}")
    return f"{source.task} is done, but {waiting}"


def _why(task: Any, scheduler: Any, project: Project) -> str:
    """Return why a task is not complete, by the first one below it that something is wrong with."""
    try:
        if task.complete():
            return ""
        below = flatten(task.requires())
    except Exception as error:
        return f"{_named(task)} cannot be asked: {told(error, project)}"
    if found := next(filter(None, (_why(each, scheduler, project) for each in below)), ""):
        return found
    if failure := scheduler.fetch_error(task.task_id)["error"]:
        with suppress(ValueError):
            # what Luigi keeps of a failure is a text as JSON
            failure = json.loads(failure)
        said = last_line(str(failure), project)
        is_timed_out = said.startswith(f"{TimedOut.__module__}.{TimedOut.__name__}: ")
        # where it was is said in the text already
        return said.partition(": ")[2].rpartition(" (")[0] if is_timed_out else f"{_named(task)} failed: {said}"
    return f"{_named(task)} {'did not run' if task.run else 'is not there, and no task makes it'}"


def _circle(tasks: Any) -> str:
    """Return which of etl's own tasks is below a task that makes a delivery, if one is: it would wait for ever."""
    for task in flatten(tasks):
        if isinstance(task, Asked) and not task.is_before_plan:
            return f"It requires {task.task_family} of etl, which waits for it"
        try:
            found = "" if task.complete() else _circle(task.requires())
        except Exception:
            # said when it is run
            continue
        if found:
            return found
    return ""


def _there(run: ActiveRun, sources: Iterable[str]) -> list[Any]:
    catalog, last = run.plan.catalog.sources, run.plan.scope.last
    return [raw.find(catalog[name], catalog[name].root(run.project), last) for name in sources]


def _named(task: Any) -> str:
    return f"{task.task_module}.{task}"
