"""`etl generations` and `etl rollback`: what was published, and going back to it."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

import click

from etl.cli.options import json_option, named, opened
from etl.cli.registry import LOOK, REPAIR, under
from etl.cli.screen import echo, show, show_table
from etl.errors import NotReproduced, counted, few

if TYPE_CHECKING:
    from etl.operations.reproduce import Reproduced


@under(LOOK)
@click.command()
@json_option
def generations(as_json: bool) -> None:
    """List the published generations on disk, newest first."""
    from etl.project import load_project
    from etl.reports.generations import known_generations

    show(known_generations(load_project()), as_json, _show)


def _show(found: list[dict[str, Any]]) -> None:
    names = ("generation", "published", "batch date", "tables", "rows", "size", "commit", "")
    rows = [
        [
            *(item[name] for name in ("generation", "published_at", "batch_date", "tables", "rows")),
            f"{item['bytes'] / 1e6:,.1f} MB",
            item["git_commit"][:10],
            item["note"],
        ]
        for item in found
    ]
    show_table(names, [["" if cell is None else str(cell) for cell in row] for row in rows])


@under(REPAIR)
@click.command()
@click.argument("generation", required=False, default="", shell_complete=named("generation"))
@click.option("--by", default="", metavar="NAME", help="Who goes back. Default: the user of this process.")
@click.option("--reason", default="", metavar="TEXT", help="Why. It is shown until the hold ends.")
def rollback(generation: str, by: str, reason: str) -> None:
    """Make an earlier generation the current one.

    By default it is the one before the current one. Publishing is on hold afterwards, until something changes of
    what the generation that was rolled back brought: a delivery, a contract, or SQL.
    """
    from etl.ledger.lock import locked
    from etl.reports import events
    from etl.run.reporting import refresh_report
    from etl.stages import published
    from etl.stages.mirrored import keep_up

    project, ledger = opened(is_reading=False)
    with locked(project, "rollback"):
        now = published.rollback(project, ledger, generation, by or getpass.getuser(), reason)
        refresh_report(project, ledger)
    echo(f"{now} is the current generation.")
    if hold := published.read_hold(project):
        echo(f"Publishing is on hold until one of these changes: {hold.came_with}. They came with {hold.held}.")
    keep_up(project, ledger)
    events.keep_up(project, ledger)


def _show_first(rebuilt: Reproduced) -> None:
    """Print what differs in the first table that does."""
    from etl.cli.diff import show_difference
    from etl.operations.diff import Request, compare

    request = Request((rebuilt.file, rebuilt.build), rebuilt.different[0], keys=rebuilt.keys, digits=True)
    show_difference(compare(rebuilt.project, request))


@under(REPAIR)
@click.command()
@click.argument("generation", required=False, default="", shell_complete=named("generation"))
def reproduce(generation: str) -> None:
    """Rebuild a generation from raw files, and compare.

    It is built by the code of its commit, in a folder of its own. Nothing else is touched. By default GENERATION
    is the current one.
    """
    from etl.operations.reproduce import reproduce as rebuilding
    from etl.project import load_project
    from etl.stages import published

    project = load_project()
    name = published.find(project, generation or "current").parent.name
    with rebuilding(project, name) as rebuilt:
        for note in rebuilt.notes:
            echo(f"note: {note}")
        what = f"Generation {name}, rebuilt from commit {rebuilt.record.git_commit[:10]}"
        if rebuilt.different:
            _show_first(rebuilt)
            raise NotReproduced(f"{what}, holds something else in {few(rebuilt.different)}.")
        days = sum(map(len, rebuilt.record.inputs.values()))
        tables = counted(len(rebuilt.tables), "table")
        echo(f"{what} and {counted(days, 'partition')}, is the same: {tables} compared.")
