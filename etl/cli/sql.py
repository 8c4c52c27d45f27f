"""`etl sql`: a query on a published file."""

from __future__ import annotations

from datetime import date

import click

from etl.cli.options import day_option, json_option, named
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, print_json, show_table

_SHOWN_ROWS = 100


@under(LOOK)
@click.command()
@click.argument("query", default="")
@day_option("--at", help="Query the last generation up to this batch date.")
@click.option(
    "--generation",
    default="",
    metavar="NAME",
    shell_complete=named("generation"),
    help="Query this generation. The beginning of its name will do.",
)
@click.option("--candidate", is_flag=True, help="Query the candidate that was not published.")
@json_option
def sql(query: str, at: date | None, generation: str, candidate: bool, as_json: bool) -> None:
    """Query a published file, read-only.

    By default it is the current generation. Without a QUERY, the command says how to open the file. JSON has every
    row.
    """
    from etl.reports.query import ask, file_of, opening

    if sum(map(bool, (at, generation, candidate))) > 1:
        raise click.UsageError("Give only one of --at, --generation and --candidate.")
    file = file_of(generation or ("candidate" if candidate else "current"), at)
    if not query:
        return echo(opening(file))
    names, rows = ask(query, file)
    if as_json:
        return print_json([dict(zip(names, row, strict=True)) for row in rows], indent=None)
    shown = [["" if value is None else str(value) for value in row] for row in rows[:_SHOWN_ROWS]]
    show_table(names, shown, is_data=True)
    if len(rows) > _SHOWN_ROWS:
        echo(f"... and {len(rows) - _SHOWN_ROWS:,} more rows; --json prints all", err=True)
