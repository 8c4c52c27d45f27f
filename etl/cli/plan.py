"""`etl plan`: what a run would do and why, without doing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from etl.cli.options import day_option, json_option, opened, select_option
from etl.cli.registry import RUN, under
from etl.cli.screen import NO_SOURCE, echo, print_json, show_table, shown
from etl.errors import counted

if TYPE_CHECKING:
    from etl.plan import Plan
    from etl.plan.forecast import Expected, Forecast

#: A longer difference is cut off on the screen.
_SHOWN_LINES = 60


@under(RUN)
@click.command()
@day_option("--date", help="The batch date. Default: today.")
@select_option("Show only what `etl run --select` would do.")
@click.option(
    "--offline", "is_offline", is_flag=True, help="Go by what was fetched before, as if no source answered."
)
@click.option("--all", "is_all", is_flag=True, help="Also list what would be left as it is.")
@json_option
def plan(date: date | None, selection: str, is_offline: bool, is_all: bool, as_json: bool) -> None:
    """Show what a run would do, and why, without doing it.

    No run has to wait for it, and no source is asked: what a run would fetch first is named. JSON also lists what
    would be left as it is.
    """
    from etl.ledger.lock import under_way
    from etl.plan import Scope, make_plan
    from etl.plan.forecast import forecast
    from etl.stages.published import read_hold

    project, ledger = opened()
    run = under_way(project, ledger)
    made = make_plan(project, ledger, Scope(date or project.today()))
    if any(source.task for source in made.catalog.sources.values()):
        from etl.tasks import register

        register()
        from etl.tasks.makers import check

        check(made)
    if is_offline:
        made.__dict__["awaited"] = {}
    found = forecast(made, ledger, is_under_way=run is not None)
    found = _selected(found, made, selection) if selection else found
    if as_json:
        return print_json([_as_json(table) for table in found.tables])
    if hold := read_hold(project):
        echo(f"{hold.told}; nothing is published until it changes: {hold.came_with}")
    if run:
        echo(f"run {run.run_id} of {run.batch_date} is under way: this is what it has not done yet")
    _show(found, made, is_all)


def _selected(found: Forecast, made: Plan, selection: str) -> Forecast:
    """Return what building some models, and what they need, would do."""
    names = set(made.selected(selection))
    sources = {source for name in names for source in made.sources_of[name]}
    names |= {made.catalog.sources[source].table for source in sources}
    audit = replace(found.audit, is_built=False, seconds=0.0)
    publish = replace(found.publish, is_built=False, seconds=0.0)
    note = "a selection is not audited, so nothing is published"
    tables = [table for table in found.tables if table.name in names]
    return replace(found, tables=tables, audit=audit, publish=publish, notes=[*found.notes, note])


def _as_json(table: Expected) -> dict[str, Any]:
    partitions = None if table.partitions is None else [str(day) for day in table.partitions]
    return {
        "name": table.name,
        "action": "build" if table.is_built else "skip",
        "why": table.why,
        "partitions": partitions,
        "rows": table.rows,
        "seconds": None if table.seconds is None else round(table.seconds, 3),
        "diff": table.diff,
    }


def _show(found: Forecast, made: Plan, is_all: bool) -> None:
    steps = [*found.tables, found.audit, found.publish]
    listed = [step for step in steps if step.is_built or is_all]
    echo(_headline(found, made))
    if listed:
        show_table(("table", "partitions", "rows", "seconds", "why"), [_row(step) for step in listed])
    for step in steps:
        lines = step.diff.splitlines()
        rest = len(lines) - _SHOWN_LINES
        if lines:
            echo("\n".join(["", *lines[:_SHOWN_LINES]]))
        if rest > 0:
            echo(f"... and {rest:,} more lines; --json prints all")
    for line in _elsewhere(found, made) if made.project.settings.executor else ():
        echo(line)
    for line in _notes(found, made):
        echo(line)
    left = sum(not table.is_built for table in found.tables)
    if left and not is_all:
        echo(f"{counted(left, 'table')} left as {'it is' if left == 1 else 'they are'}; --all lists them")


def _elsewhere(found: Forecast, made: Plan) -> Iterator[str]:
    """Yield what the executor does of it."""
    from etl.run.jobs.foretold import foretold

    if count := sum(len(made.stale_partitions(name)) for name in made.held):
        yield f"{counted(count, 'partition')} to take into the lake, on {made.project.settings.executor}"
    models = [table for table in found.tables if table.is_built and table.name in made.models.models]
    yield from foretold(
        made, {one.name: None if one.partitions is None else len(one.partitions) for one in models}
    )


def _headline(found: Forecast, made: Plan) -> str:
    built = [step for step in (*found.tables, found.audit, found.publish) if step.is_built]
    if not built:
        return f"nothing to do up to {made.scope.last}"
    raw = [table for table in found.tables if table.name.startswith("raw.")]
    loads, models = sum(table.is_built for table in raw), len(found.tables) - len(raw)
    builds = sum(table.is_built for table in found.tables) - loads
    known = [step.seconds for step in built if step.seconds is not None]
    unknown = len(built) - len(known)
    time = f"about {sum(known):,.1f} s" if known else "for a time that is not known yet"
    more = f", and {counted(unknown, 'step')} of unknown length" if known and unknown else ""
    return (
        f"up to {made.scope.last}: {loads} of {counted(len(raw), 'raw table')} to load, "
        f"{builds} of {counted(models, 'model')} to build; {time}{more}"
    )


def _row(step: Expected) -> Sequence[str]:
    from etl.plan.reasons import listed

    if not step.is_built:
        return (step.name, "", "", "", step.why)
    partitions = "all" if step.partitions is None else listed(step.partitions)
    rows = "" if step.rows is None else shown(step.rows)
    seconds = "" if step.seconds is None else f"{step.seconds:,.2f}"
    return (step.name, partitions, rows, seconds, step.why)


def _notes(found: Forecast, made: Plan) -> Iterator[str]:
    from etl.plan.rhythm import Holes
    from etl.reports.holes import told_holes
    from etl.reports.summary import notes

    if not made.catalog.sources:
        yield NO_SOURCE
    yield from found.notes
    for name, taken in made.taken.items():
        yield from (f"{name}: {note}" for note in notes(taken))
        holes = made.holes.get(name, Holes())
        if holes.late_since:
            yield f"{name}: {told_holes(holes, taken.waiting)}"
    if not found.publish.is_built and made.missing:
        yield found.publish.why
    if any("upstream rebuilt" in table.why for table in found.tables):
        yield "a model whose upstream turns out with the same rows as before stays as it is"
