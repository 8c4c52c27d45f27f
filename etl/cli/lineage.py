"""`etl lineage`: what a column is made of, and what it ends up in."""

from __future__ import annotations

import click

from etl.cli.screen import echo, print_json


@click.command()
@click.argument("name", metavar="TABLE[.COLUMN]")
@click.option("--downstream", "is_down", is_flag=True, help="What it ends up in, instead of what it is made of.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def lineage(name: str, is_down: bool, as_json: bool) -> None:
    """Show what a column is made of, from the raw file through all SQL, with the expression at each step."""
    from etl.ledger import Ledger
    from etl.models.lineage import as_data, downstream, read_lineage, upstream
    from etl.plan.definitions import definitions
    from etl.project import load_project

    project = load_project()
    raw = project.raw
    folder = raw.relative_to(project.root) if raw.is_relative_to(project.root) else raw
    found = read_lineage(*definitions(project, Ledger(project.ledger, is_reading=True)), str(folder))
    if as_json:
        return print_json(as_data(found, name, downstream=is_down), indent=2)
    for line in (downstream if is_down else upstream)(found, name):
        echo(line)
