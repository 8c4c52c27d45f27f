"""`etl describe`: all about one source, model or audit."""

from __future__ import annotations

from datetime import date
from typing import Any

import click

from etl.cli.options import day_option, json_option, named, opened
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, show, show_table, shown
from etl.errors import few, lasting

#: What is listed of a description, in this order; what is empty is left out.
_LISTED = {
    "what": "what",
    "owner": "owner",
    "declared": "declared",
    "contract": "contract",
    "built": "kind",
    "reads": "reads",
    "writes": "writes",
    "read_by": "read by",
    "audits": "audits",
    "columns": "columns",
    "holds": "holds",
}
_MOST = 20


@under(LOOK)
@click.command()
@click.argument("name", shell_complete=named("table"))
@day_option("--date", help="The batch date of the run that it would run in. Default: today.")
@json_option
def describe(name: str, date: date | None, as_json: bool) -> None:
    """Show what a name stands for, and why it would run now.

    NAME is a source, a model or an audit, or the file of one of the latter. What it is, reads and writes, who
    reads it, its audits and its last runs are listed. Nothing is done, and no run has to wait for it.
    """
    from etl.ledger.lock import under_way
    from etl.plan import Scope, make_plan
    from etl.plan.forecast import forecast
    from etl.reports.describe import describe as described

    project, ledger = opened()
    run = under_way(project, ledger)
    plan = make_plan(project, ledger, Scope(date or project.today()))
    found = described(plan, forecast(plan, ledger, is_under_way=run is not None), ledger, name)
    show(found, as_json, _show)


def _show(found: dict[str, Any]) -> None:
    echo(f"{found['name']}: {found['kind']}")
    for key, label in _LISTED.items():
        if text := _text(found[key]):
            echo(f"{label:<10}{text}")
    now = found["now"]
    echo(f"{'now':<10}{'would run' if now['action'] == 'build' else 'nothing to do'}: {now['why']}")
    for note in found["notes"]:
        echo(f"{'note':<10}{note}")
    if found["runs"]:
        rows = [[*_told(run)] for run in found["runs"]]
        show_table(("run", "step", "outcome", "rows", "time", "why"), rows)
    else:
        echo("no run has done anything about it yet")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return few([f"{name} {type}" for name, type in value.items()], _MOST)
    return few(value, _MOST) if isinstance(value, list) else str(value)


def _told(run: dict[str, Any]) -> tuple[str, ...]:
    rows = "" if run["rows"] is None else shown(run["rows"])
    return (run["run_id"], run["step"], run["outcome"], rows, lasting(run["seconds"]), run["why"])
