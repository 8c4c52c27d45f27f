"""The Luigi tasks that sources name: found by name, run before the plan is fixed, and what is said if one fails.

The plan counts the deliveries that are there, so those that a task makes are made before. They are made by Luigi,
with as many workers and the scheduler of the run: RawFile requires the task that the source names. A task that
fails stops nothing else of the night.
"""

from __future__ import annotations

import importlib
import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import luigi
from luigi.interface import core
from luigi.parameter import MissingParameterException
from luigi.rpc import RemoteScheduler
from luigi.scheduler import Scheduler
from luigi.task import flatten
from luigi.worker import Worker

from etl.errors import ContractError, DeliveryError, closest, sentence
from etl.ledger.keys import UNDELIVERED
from etl.plan import Plan
from etl.project import Project
from etl.run.active import ActiveRun
from etl.sources import Source
from etl.stages import raw
from etl.tasks.options import Asked

log = logging.getLogger("etl")


def check(plan: Plan) -> None:
    """Raise ContractError for a source that names what is not a Luigi task, or not with these parameters."""
    for source in plan.catalog.sources.values():
        if source.task:
            maker_of(plan.project, source, plan.scope.last)


def maker_of(project: Project, source: Source, day: date) -> Any:
    """Return the task that makes the delivery of a date; it gets the date if it has such a parameter."""
    named, where = source.maker, f"{source.declared}: the source {source.name}: task={source.task!r}"
    assert named
    kind = _kind(project, named.module, named.name, where)
    parameters = dict(kind.get_params())
    for name in named.options.keys() - parameters.keys():
        close = closest(name, parameters)
        hint = f"Did you mean {close[0]}?" if close else f"It has: {', '.join(parameters) or 'none'}."
        raise ContractError(f"{where}: {named.name} has no parameter {name}. {hint}")
    try:
        given = dict(named.options)
        if "date" in parameters and "date" not in given:
            given["date"] = _dated(parameters["date"], day)
        return kind(**given)
    except MissingParameterException as error:
        said = str(error).rpartition("]: ")[2]
        raise ContractError(f"{where}: {sentence(said)} Write it as {named.name}(name=value).") from None
    except Exception as error:
        raise ContractError(f"{where}: {sentence(_told(error, project))}") from None


def is_made(run: ActiveRun, source: str, day: date) -> bool:
    """Return whether a delivery that a task makes lies in raw/; of a snapshot, whether its task is done too."""
    found = run.plan.catalog.sources[source]
    is_new = found.is_dated or maker_of(run.project, found, day).complete()
    return is_new and day in raw.find(found, run.project.raw, day)


def deliver(run: ActiveRun, kind: type[luigi.Task], sources: Collection[str]) -> None:
    """Have the deliveries made that these sources lack, and fix the plan again if any came; `kind` is RawFile."""
    due = {name: days for name, days in run.awaited.items() if name in sources}
    if not due or run.is_delivering:
        return
    own = {"project": run.project.identity, "run_id": run.row.run_id}
    files: list[Any] = [kind(source=name, date=day, **own) for name, days in due.items() for day in days]
    before, started, run.is_delivering = _there(run, due), time.perf_counter(), True
    try:
        check(run.plan)
        problems = _work(run, files)
    finally:
        run.is_delivering = False
        for name in due:
            del run.awaited[name]
    for file, why in problems.items():
        _say(run, file, why)
    if _there(run, due) != before:
        log.info("delivered %s in %.2f s", ", ".join(sorted(due)), time.perf_counter() - started)
        run.replan()


def _say(run: ActiveRun, file: Any, why: str) -> None:
    """Say and note that a delivery was not made."""
    error = DeliveryError(
        f"{file.source} {file.date}: the delivery was not made. {sentence(why)} Fix it and run again: "
        f"etl run --date {run.plan.scope.last}"
    )
    run.undelivered[file.source, file.date] = str(error)
    log.error("failed: %s", error)
    run.note_problem(UNDELIVERED, error)


def _work(run: ActiveRun, files: Sequence[Any]) -> dict[Any, str]:
    """Run tasks as Luigi does; return those that are not complete afterwards, with the reason."""
    circles = {file: why for file in files if (why := _circle(file.requires()))}
    scheduler, watch = _scheduler(), lambda task: run.watch_parent()
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


def _scheduler() -> Any:
    """Return the scheduler of the run: the central one, if it has one."""
    options = core()
    if options.local_scheduler:
        return Scheduler(prune_on_get_work=True, record_task_history=False)
    url = options.scheduler_url or f"http://{options.scheduler_host}:{options.scheduler_port}/"
    return RemoteScheduler(url)


def _reason(run: ActiveRun, file: Any, scheduler: Any) -> str:
    """Return why a delivery is not there; empty if it is."""
    for task in flatten(file.requires()):
        if why := _why(task, scheduler, run.project):
            return why
    source = run.plan.catalog.sources[file.source]
    found = raw.look(source, run.project.raw, file.date, time.time_ns())
    if file.date in found.complete:
        return ""
    place = run.project.raw / source.connector.where(file.date)
    waiting = found.incomplete.get(file.date, f"there is no {place}")
    return f"{source.task} is done, but {waiting}"


def _why(task: Any, scheduler: Any, project: Project) -> str:
    """Return why a task is not complete, by the first one below it that something is wrong with."""
    try:
        if task.complete():
            return ""
        below = flatten(task.requires())
    except Exception as error:
        return f"{_named(task)} cannot be asked: {_told(error, project)}"
    if found := next(filter(None, (_why(each, scheduler, project) for each in below)), ""):
        return found
    if failure := scheduler.fetch_error(task.task_id)["error"]:
        with suppress(ValueError):
            # what Luigi keeps of a failure is a text as JSON
            failure = json.loads(failure)
        return f"{_named(task)} failed: {_last(str(failure), project)}"
    return f"{_named(task)} {'did not run' if task.run else 'is not there, and no task makes it'}"


def _circle(tasks: Any) -> str:
    """Return which of etl's own tasks is below a task that makes a delivery, if one is: it would wait for ever."""
    for task in flatten(tasks):
        if isinstance(task, Asked):
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
    return [raw.find(catalog[name], run.project.raw, last) for name in sources]


def _kind(project: Project, module: str, name: str, where: str) -> Any:
    """Import a class of tasks; the project's folder is looked in last, so that it hides nothing."""
    if str(project.root) not in sys.path:
        sys.path.append(str(project.root))
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise ContractError(
                f"{where}: there is no module {module}. Put {module.replace('.', '/')}.py into {project.root}, "
                "or its folder on PYTHONPATH."
            ) from None
        raise ContractError(f"{where}: {module} cannot be imported: {_told(error, project)}") from None
    except Exception as error:
        raise ContractError(f"{where}: {module} cannot be imported: {_told(error, project)}") from None
    kind = getattr(found, name, None)
    if isinstance(kind, type) and issubclass(kind, luigi.Task):
        return kind
    tasks = [n for n, v in vars(found).items() if isinstance(v, type) and issubclass(v, luigi.Task)]
    close = closest(name, tasks)
    hint = f"Did you mean {close[0]}?" if close else f"Its tasks are: {', '.join(tasks) or 'none'}."
    what = f"the module {module} has no task {name}" if kind is None else f"{module}.{name} is not a Luigi task"
    raise ContractError(f"{where}: {what}. {hint}")


def _dated(parameter: Any, day: date) -> Any:
    """Return a day as a parameter of whatever kind has it: a date, a text, a month, an hour."""
    with suppress(ValueError):
        return parameter.parse(str(day))
    with suppress(AttributeError, TypeError):
        return parameter.normalize(day)
    return parameter.normalize(datetime.combine(day, datetime.min.time()))


def _named(task: Any) -> str:
    return f"{task.task_module}.{task}"


def _told(error: Exception, project: Project) -> str:
    return _last("".join(traceback.format_exception(error)), project)


def _last(text: str, project: Project) -> str:
    """Return the last line of a traceback, and where it is from: the innermost line of the user's own files."""
    places = re.findall(r'File "([^"\n]+)", line (\d+)', text)
    own = [(path, line) for path, line in places if Path(path).is_relative_to(project.root)] or places
    said = next((line for line in reversed(text.strip().splitlines()) if not line.startswith(" ")), "")
    return f"{said} ({own[-1][0]}:{own[-1][1]})" if own else said
