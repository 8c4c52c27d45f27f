"""`etl generations` and `etl rollback`: what was published, and going back to it."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

from etl.cli.screen import echo, print_json, show_table
from etl.errors import NotReproduced, counted

if TYPE_CHECKING:
    from etl.operations.reproduce import Reproduced


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def generations(as_json: bool) -> None:
    """List the published generations on disk, the newest first."""
    from etl.reports.generations import known_generations

    found = known_generations()
    if as_json:
        return print_json(found, indent=2)
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


@click.command()
@click.argument("generation", required=False, default="")
@click.option("--by", default="", metavar="NAME", help="Who goes back; default: the user of this process.")
@click.option("--reason", default="", metavar="TEXT", help="Why; it is told until the hold ends.")
def rollback(generation: str, by: str, reason: str) -> None:
    """Make GENERATION the current one; by default the one before the current.

    Nothing is published after it until what came with the generation that was rolled back changes.
    """
    from etl.ledger import Ledger
    from etl.ledger.lock import locked
    from etl.project import load_project
    from etl.stages import published

    project = load_project()
    with locked(project, "rollback"):
        ledger = Ledger(project.ledger)
        now = published.rollback(project, ledger, generation, by or getpass.getuser(), reason)
    echo(f"{now} is the current generation")
    if hold := published.read_hold(project):
        echo(f"held until it changes, what came with {hold.held}: {hold.came_with}")


def _show_first(anew: Reproduced) -> None:
    """Print what differs in the first table that does."""
    from etl.cli.diff import show
    from etl.operations.diff import Request, compare

    request = Request((anew.file, anew.build), anew.different[0], keys=anew.keys, digits=True)
    show(compare(anew.project, request))


@click.command()
@click.argument("generation", required=False, default="")
def reproduce(generation: str) -> None:
    """Build GENERATION anew from raw files and the code of its commit, and compare; by default the current one.

    It is built in a folder of its own; nothing else is touched.
    """
    from etl.operations.reproduce import reproduce as building_anew
    from etl.project import load_project
    from etl.stages import published

    project = load_project()
    name = published.find(project, generation or "current").parent.name
    with building_anew(project, name) as anew:
        for note in anew.notes:
            echo(f"note: {note}")
        what = f"generation {name}, built anew from commit {anew.record.git_commit[:10]},"
        if anew.different:
            _show_first(anew)
            raise NotReproduced(f"{what} holds something else in {', '.join(anew.different)}.")
        days = sum(map(len, anew.record.inputs.values()))
        echo(f"{what} and from {counted(days, 'partition')}: {counted(len(anew.tables), 'table')}, all the same")
