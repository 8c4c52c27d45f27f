"""The Luigi tasks that sources name, found by module and class; what is wrong is said with file and line."""

from __future__ import annotations

import importlib
import re
import sys
import traceback
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import luigi
from luigi.parameter import MissingParameterException

from etl.errors import ContractError, closest, sentence
from etl.plan import Plan
from etl.project import Project
from etl.sources import Source


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
        raise ContractError(f"{where}: {sentence(told(error, project))}") from None


def told(error: Exception, project: Project) -> str:
    """Return what an error of the user's own code says, and where it was raised."""
    return last_line("".join(traceback.format_exception(error)), project)


def last_line(text: str, project: Project) -> str:
    """Return the last line of a traceback, and where it is from: the innermost line of the user's own files."""
    places = re.findall(r'File "([^"\n]+)", line (\d+)', text)
    own = [(path, line) for path, line in places if Path(path).is_relative_to(project.root)] or places
    said = next((line for line in reversed(text.strip().splitlines()) if not line.startswith(" ")), "")
    return f"{said} ({own[-1][0]}:{own[-1][1]})" if own else said


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
        raise ContractError(f"{where}: {module} cannot be imported: {sentence(told(error, project))}") from None
    except Exception as error:
        raise ContractError(f"{where}: {module} cannot be imported: {sentence(told(error, project))}") from None
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
