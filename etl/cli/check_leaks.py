"""`etl check-leaks`: features that hold what nobody could have known yet."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from etl.cli.options import json_option, named, opened
from etl.cli.registry import DEVELOP, under
from etl.cli.screen import echo, print_json
from etl.errors import AuditError, counted, few

_FORMATS = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")


@under(DEVELOP)
@click.command("check-leaks")
@click.argument("names", nargs=-1, metavar="[FEATURE]...", shell_complete=named("model"))
@click.option(
    "--at",
    type=click.DateTime(_FORMATS),
    metavar="TIME",
    help="Judge at this time, such as '2024-03-01 15:00', and not at times of the features' own rows.",
)
@json_option
def check_leaks(names: tuple[str, ...], at: datetime | None, as_json: bool) -> None:
    """Check that features say nothing which was not known yet.

    What is published is cut at a moment, features are built of what was known by then, and what they say of the
    time before must be what they say now. The day of a delivery is known when it is over; a model whose rows are
    known earlier says so with `-- known: ...`. The name of a feature set stands for its features. Whoever is told
    of nights is told of a leak once, in a line on each later day, and when it is over: made for a line of cron,
    such as 0 8 * * 1. The exit code is 30 if a feature leaks.
    """
    from zoneinfo import ZoneInfo

    from etl.operations.leaks import check_leaks, leaks_of, tell_leaks
    from etl.project.secret import use_environment

    project, ledger = opened(is_reading=False)
    use_environment(project.root)
    moment = at.replace(tzinfo=ZoneInfo(project.settings.timezone)) if at else None
    found = check_leaks(project, ledger, names, moment)
    tell_leaks(project, ledger, found)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        for one in found:
            echo(_said(one))
        if undated := sorted({table for one in found for table in one.undated}):
            echo(f"Taken as known from the start, since they have no dates: {few(undated, 20)}.")
        if not found:
            echo("Nothing to check: no model is a feature. A feature has the line `-- entity: ...` in its header.")
    if leaks := [leaks_of(one) for one in found if one.differing]:
        advice = (
            "Let event_time, or known, be the time at which the value is known. If what a feature reads is known "
            "before its day is over, say so in the header of that model: `-- known: always, delay = arrived_at`."
        )
        raise AuditError("\n".join([*leaks, advice]))


def _said(one: Any) -> str:
    if one.why:
        return f"{one.feature}: not judged, since {one.why}"
    outcome = f"{one.differing:,} differ" if one.differing else "all as they are now"
    times = counted(len(one.moments), "moment")
    return f"{one.feature}: {counted(one.rows, 'row')} judged at {times}, {outcome}"
