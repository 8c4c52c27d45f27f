"""`etl sql`: a query on a published file."""

from __future__ import annotations

from datetime import datetime

import click

from etl.cli.screen import echo, print_json, show_table

_SHOWN_ROWS = 100


@click.command()
@click.argument("query", default="")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="The last generation up to that batch date.")
@click.option("--generation", default="", metavar="NAME", help="A generation, by the beginning of its name.")
@click.option("--candidate", is_flag=True, help="The candidate that was not published.")
@click.option("--json", "as_json", is_flag=True, help="Print every row as JSON.")
def sql(query: str, at: datetime | None, generation: str, candidate: bool, as_json: bool) -> None:
    """Run QUERY on the current generation, or another one, read-only; without a query, tell how to open it."""
    from etl.reports.query import ask, file_of, opening

    if sum(map(bool, (at, generation, candidate))) > 1:
        raise click.UsageError("give one of --at, --generation and --candidate.")
    file = file_of(generation or ("candidate" if candidate else "current"), at.date() if at else None)
    if not query:
        return echo(opening(file))
    names, rows = ask(query, file)
    if as_json:
        return print_json([dict(zip(names, row, strict=True)) for row in rows], default=str)
    show_table(names, [["" if value is None else str(value) for value in row] for row in rows[:_SHOWN_ROWS]])
    if len(rows) > _SHOWN_ROWS:
        echo(f"... and {len(rows) - _SHOWN_ROWS:,} more rows; --json prints all")
