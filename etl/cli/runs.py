"""`etl runs`, `etl show` and `etl logs`: what each run did, step by step, and what it said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import click

from etl.cli.options import json_option, named, opened
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, print_json, show, show_table, shown
from etl.errors import counted, few, indented

#: So many runs are listed if nobody says how many.
_LAST = 20
#: How many signs the time of a whole run is wide.
_WIDTH = 24
_MEGA = 1_000_000
#: Of the columns of steps, those that a narrow terminal goes without.
_MAY_GO = ("time", "why", "rejected", "did", "rows", "took")


@under(LOOK)
@click.command()
@click.option(
    "--last", type=click.IntRange(min=1), metavar="N", default=_LAST, show_default=True, help="How many."
)
@click.option("--failed", "is_failed", is_flag=True, help="Show only runs that failed or were killed.")
@json_option
def runs(last: int, is_failed: bool, as_json: bool) -> None:
    """List the runs, the newest first.

    Runs that found nothing new are among them. What one of them did, `etl show` tells.
    """
    from etl.reports.history import known_runs, since

    project, ledger = opened()
    if (begins := since(project, ledger)) and not as_json:
        echo(begins, err=True)
    found = known_runs(project, ledger, last, is_failed=is_failed)
    show(found, as_json, lambda found: _list(found, project.environment_name))


@under(LOOK)
@click.command("show")
@click.argument("run", default="last", shell_complete=named("run"))
@json_option
def show_run(run: str, as_json: bool) -> None:
    """Show what a run did, step by step, and why.

    RUN is an id that `etl runs` lists, or its beginning; `last`, or `failed` for the last run that failed. By
    default it is the last run. Of one that is under way, it tells what is running, and what the rest waits for.
    """
    from etl.reports.history import run_details

    project, ledger = opened()
    show(run_details(project, ledger, run), as_json, _tell)


@under(LOOK)
@click.command()
@click.argument("run", default="last", shell_complete=named("run"))
@click.argument("step", default="")
@json_option
def logs(run: str, step: str, as_json: bool) -> None:
    """Show what a run said, line by line.

    RUN is an id that `etl runs` lists, its beginning, `last` or `failed`. STEP is what was done, such as `load`,
    or the table or source that it was done to. JSON is one object a line.
    """
    from etl.reports.history import find_run, log_lines

    project, ledger = opened()
    for line in log_lines(project, ledger, find_run(project, ledger, run).run_id, step):
        if as_json:
            print_json(line, indent=None)
        else:
            echo(_log_line(line))


def _list(found: Sequence[dict[str, Any]], environment: str) -> None:
    from etl.errors import lasting

    names = ("run", "begun", "batch date", "result", "took", "by", "rows", "rejected", "failed")
    rows = [
        [
            run["run_id"],
            _at(run["started_at"]),
            run["batch_date"],
            run["state"],
            lasting(run["seconds"]),
            run["trigger"]
            if run["environment"] in ("", environment)
            else f"{run['trigger']}, {run['environment']}",
            shown(run["rows"]),
            shown(run["rejected"]),
            few(run["failed"], 2),
        ]
        for run in found
    ]
    show_table(names, rows, may_go=("by", "rejected", "rows", "batch date", "took", "failed", "begun"))


def _tell(run: dict[str, Any]) -> None:
    for line in _head(run):
        echo(line)
    steps = run["steps"]
    if steps:
        names = ("step", "result", "took", "time", "rows", "rejected", "did", "why")
        show_table(names, [[*_cells(step, label, run)] for label, step in _tree(steps)], may_go=_MAY_GO)
    elif run["state"] == "unchanged":
        echo("It found nothing new, so it did no step.")
    for line in _messages(run):
        echo(indented(line))


def _head(run: dict[str, Any]) -> Iterator[str]:
    from etl.errors import lasting

    cpu = f", {run['cpu_seconds']:,.1f} s of CPU" if run["cpu_seconds"] is not None else ""
    memory = f", {run['peak_memory_bytes'] / _MEGA:,.0f} MB of memory" if run["peak_memory_bytes"] else ""
    yield f"run       {run['run_id']} of {run['batch_date']}: {run['state']}"
    yield f"begun     {_at(run['started_at'])}, took {lasting(run['seconds'])}{cpu}{memory}"
    if run["command"]:
        yield f"command   {run['command']}"
        where = f", environment {run['environment']}" if run["environment"] else ""
        yield f"by        {run['trigger']}: {run['user']} on {run['host']}{where}"
    commit = run["git_commit"][:10]
    dirty = ", with changes that are not committed" if commit and run["is_dirty"] else ""
    of = f"commit {commit}{dirty}; " if commit else ""
    if of or run["versions"]:
        yield f"code      {of}{', '.join(f'{name} {version}' for name, version in run['versions'].items())}"


def _tree(steps: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each step with its place in the tree: what is done, and below it what it is done to."""
    for what, group in groupby(steps, lambda step: step["step"]):
        below = list(group)
        if not below[0]["name"]:
            yield what, below[0]
            continue
        yield what, _together(what, below)
        for step in below[:-1]:
            yield f"├─ {step['name']}", step
        yield f"└─ {below[-1]['name']}", below[-1]


def _together(what: str, steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the row above several steps: their figures together."""
    counts = {outcome: sum(step["outcome"] == outcome for step in steps) for outcome in ("failed", "running")}
    done = sum(step["outcome"] in ("done", "kept") for step in steps)
    said = [f"{done:,} of {len(steps):,}", *(f"{count:,} {outcome}" for outcome, count in counts.items() if count)]
    return {"outcome": ", ".join(said), **_span(steps)}


def _span(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    known = [step for step in steps if step["started_at"] and step["seconds"] is not None]
    if not known:
        return {"started_at": "", "seconds": None}
    begins = min(step["started_at"] for step in known)
    ends = max(_moment(step["started_at"]) + step["seconds"] for step in known)
    return {"started_at": begins, "seconds": ends - _moment(begins)}


def _cells(step: dict[str, Any], label: str, run: dict[str, Any]) -> Iterator[str]:
    from etl.errors import lasting

    yield label
    yield step["outcome"] or "waits"
    yield lasting(step["seconds"])
    yield _bar(step, run)
    yield shown(step.get("rows_out"))
    yield shown(step.get("rejected"))
    yield ", ".join(filter(None, [step.get("partitions"), step.get("did")]))
    yield str(step.get("why", ""))


def _bar(step: dict[str, Any], run: dict[str, Any]) -> str:
    """Return when a step was under way, as a bar in the time of the whole run."""
    if not step["started_at"] or step["seconds"] is None or not run["seconds"]:
        return ""
    scale = _WIDTH / run["seconds"]
    first = int((_moment(step["started_at"]) - _moment(run["started_at"])) * scale)
    first = min(max(first, 0), _WIDTH - 1)
    length: int = min(max(round(step["seconds"] * scale), 1), _WIDTH - first)
    return "·" * first + "█" * length + "·" * (_WIDTH - first - length)


def _messages(run: dict[str, Any]) -> Iterator[str]:
    """Yield what there is to say of steps that failed or had to wait, of warnings, and what to do next."""
    told = []
    for step in run["steps"]:
        title = f"{step['step']} {step['name']}".strip()
        if step["outcome"] == "failed" and step["message"]:
            told.append(step["message"])
            yield f"{title} failed: {step['message']}"
        yield from (f"{title} warned: {text}" for text in step["warnings"])
    skipped: dict[tuple[str, str], list[str]] = {}
    for step in run["steps"]:
        if step["outcome"] in ("", "skipped", "killed"):
            told_of = step["outcome"] or "waiting", step["message"]
            skipped.setdefault(told_of, []).append(f"{step['step']} {step['name']}".strip())
    for (outcome, why), names in skipped.items():
        yield f"{outcome}: {few(names)}. {why}"
    more = (item for item in run["problems"] if not any(item["message"] in text for text in told))
    yield from (f"{item['step']}: {item['message']}" for item in more)
    if run["checks"]:
        listed = few(check["name"] for check in run["checks"])
        yield f"{counted(len(run['checks']), 'check')} found rows: {listed}. To see them: etl audits --failed"
    if run["failed"]:
        yield "What is done is kept. To do the rest: etl run"


def _log_line(line: dict[str, Any]) -> str:
    of = " ".join(filter(None, [line["step"], line["name"]]))
    return indented(f"{line['at'][11:19]} {line['level']:<7} {of + ': ' if of else ''}{line['message']}")


def _at(text: str) -> str:
    return f"{text[:19].replace('T', ' ')}Z"


def _moment(text: str) -> float:
    """Return a time as seconds."""
    return datetime.fromisoformat(text).timestamp()
