"""`etl lineage`: what a column is made of, and what it ends up in."""

from __future__ import annotations

from collections.abc import Iterable

import click

from etl.cli.options import json_option, named, opened
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, show


@under(LOOK)
@click.command()
@click.argument("name", metavar="TABLE[.COLUMN]", default="", shell_complete=named("table"))
@click.option(
    "--downstream", "is_down", is_flag=True, help="Show what it ends up in, instead of what it is made of."
)
@click.option(
    "--across",
    "is_across",
    is_flag=True,
    help="Go on in the projects that this one reads; without a TABLE, show the chain of them.",
)
@json_option
def lineage(name: str, is_down: bool, is_across: bool, as_json: bool) -> None:
    """Show what a column is made of, or what it ends up in.

    The way leads from the raw file through all SQL, with the expression at each step. Of a TABLE alone, all of its
    columns are shown. A table of another project is PROJECT:TABLE.
    """
    from etl.models.lineage import as_data, downstream, read_lineage, upstream
    from etl.plan.definitions import definitions

    project, ledger = opened()
    if not name and not is_across:
        raise click.UsageError("Missing argument 'TABLE[.COLUMN]'. Only --across goes without one.")
    if is_across:
        from etl.operations.across import chain

        projects = chain(project, ledger)
        if not name:
            return show(projects, as_json, lambda found: _show(found.lines()), projects.as_data)
        found = projects.lineage
    else:
        folders = [
            str(path.relative_to(project.root) if path.is_relative_to(project.root) else path)
            for path in (project.raw, project.fetched)
        ]
        found = read_lineage(*definitions(project, ledger), *folders)
    lines = downstream if is_down else upstream
    show(found, as_json, lambda found: _show(lines(found, name)), lambda: as_data(found, name, downstream=is_down))


def _show(lines: Iterable[str]) -> None:
    for line in lines:
        echo(line)
