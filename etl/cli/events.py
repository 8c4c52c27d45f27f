"""`etl events`: what others are told of what is published, and what of it waits."""

from __future__ import annotations

from typing import Any

import click

from etl.cli.options import json_option, opened
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, show, show_table
from etl.errors import ConfigError

_WAITS = 30
_LAST = 10


@under(LOOK)
@click.command()
@click.option("--send", "is_send", is_flag=True, help="Post what waits, and say what still does.")
@json_option
def events(is_send: bool, as_json: bool) -> None:
    """Show the events of what was published, and who lacks them.

    [etl] events asks for them. Receivers are in ETL_EVENTS_URL; they are named and never shown. With --send the
    exit code is 30 if an event still waits.
    """
    from etl.project.secret import use_environment
    from etl.reports.events.known import known
    from etl.reports.events.outbox import write_new
    from etl.reports.events.posting import PATIENT_SECONDS, check_events, post_waiting

    project, ledger = opened()
    use_environment(project.root)
    if project.settings.events != "yes":
        raise ConfigError("This project has no events. Set [etl] events = yes in luigi.cfg to have them.")
    if is_send:
        check_events()
        write_new(project, ledger)
        list(post_waiting(project, PATIENT_SECONDS))
    found = known(project, _LAST)
    show(found, as_json, _show)
    if is_send and any(one["waiting"] for one in found["receivers"]):
        raise SystemExit(_WAITS)


def _show(found: dict[str, Any]) -> None:
    names = ("number", "time", "type", "generation", "changed")
    show_table(names, [[str(event[name]) for name in names] for event in found["events"]])
    if not found["events"]:
        echo("There are no events yet: the next publication writes one.")
    for one in found["receivers"]:
        why = f": {one['problem']}" if one["problem"] else ""
        echo(
            f"{one['name']}: {one['waiting']:,} wait{why}" if one["waiting"] else f"{one['name']}: has all of them"
        )
    if not found["receivers"]:
        echo("Nobody is posted to: set ETL_EVENTS_URL to one or more addresses, and ETL_EVENTS_SECRET.")
