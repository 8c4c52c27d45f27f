"""`etl check-late`: deliveries that are not there by their time of day."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from etl.cli.options import json_option
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, show

_MISSING = 20


@under(LOOK)
@click.command("check-late")
@json_option
def check_late(as_json: bool) -> None:
    """Tell of deliveries that are late by the clock.

    It looks at sources with expected_by, and works while a run is under way: made for a second line of cron, such
    as 5 6 * * *. Whoever is told of nights is told of each late delivery once a day, and of its arrival. The exit
    code is 20 if one is late.
    """
    from etl.ledger import Ledger
    from etl.operations import lateness
    from etl.project import load_project
    from etl.project.secret import use_environment

    project = load_project()
    use_environment(project.root)
    found = [asdict(one) for one in lateness.check_late(project, Ledger(project.ledger))]
    show(found, as_json, _show)
    if any(one["why"] for one in found):
        raise SystemExit(_MISSING)


def _show(found: list[dict[str, Any]]) -> None:
    for one in found:
        if one["why"]:
            said = f"late: its delivery of {one['day']} was expected by {one['expected_by']}, and {one['why']}"
            echo(f"{one['source']}: {said}")
        elif one["day"]:
            echo(f"{one['source']}: the delivery of {one['day']} is there")
        else:
            echo(f"{one['source']}: no delivery is due")
    if not found:
        echo(
            "No source says when its deliveries come. Add a time of day to one, such as "
            "Source(..., expected_by='06:00')."
        )
