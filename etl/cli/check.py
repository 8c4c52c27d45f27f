"""`etl check`: what a run reads before it begins, read without one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from etl.cli.options import json_option
from etl.cli.registry import DEVELOP, under
from etl.cli.screen import echo, show
from etl.errors import counted


@under(DEVELOP)
@click.command()
@json_option
def check(as_json: bool) -> None:
    """Check settings, contracts and SQL, and run nothing.

    It is what a run reads before it begins, in every environment, and needs no data: made for a pull request. The
    addresses in ETL_NOTIFY and ETL_PING_URL are looked at too, if they are set. The exit code is 0 if all is
    sound. Otherwise it is 35, and every error is named with its file and line.
    """
    from etl.operations.notify import check_addresses
    from etl.plan.check import check_project
    from etl.project import load_project
    from etl.project.secret import use_environment

    project = load_project()
    use_environment(project.root)
    check_addresses()
    show(asdict(check_project(project)), as_json, _show)


def _show(found: dict[str, Any]) -> None:
    nouns = ("source", "model", "audit", "macro")
    counts = [counted(found[f"{noun}s"], noun) for noun in nouns]
    contracts = counted(found["contracts"], "contract") + " of tables"
    echo(f"All is sound: {', '.join([counts[0], contracts, *counts[1:]])}.")
    if len(found["environments"]) > 1:
        echo(f"Checked in the environments {', '.join(found['environments'])}.")
