"""`etl profile`: what the columns of a table hold, how their values are spread, and how they were before."""

from __future__ import annotations

from typing import Any

import click

from etl.cli.options import json_option, named, opened
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, print_json, show_table
from etl.errors import counted
from etl.ledger import Ledger
from etl.ledger.profiles import Profile, Profiles


@under(LOOK)
@click.command()
@click.argument("table", shell_complete=named("table"))
@click.argument("column", required=False, default="")
@json_option
def profile(table: str, column: str, as_json: bool) -> None:
    """Show what the columns of TABLE hold, and held before.

    It is that of the newest partition; of a table without partitions, of the last night that changed it. Of one
    COLUMN the spread of its values is drawn, and its past by partition or night. Of personal data there are counts
    only.
    """
    from etl.reports import profile as reports

    _, ledger = opened()
    if column:
        past = reports.past(ledger, table, column)
        if as_json:
            return print_json([reports.as_data(found) for found in past])
        for line in reports.lines(past):
            echo(line)
        return None
    newest = reports.newest(ledger, table)
    if as_json:
        return print_json([reports.as_data(found) for found in newest])
    _show(ledger, newest)


def _show(ledger: Ledger, newest: list[Profile]) -> None:
    from etl.reports.profile import overview, trend_of

    rows, *columns = newest
    part = f"partition {rows.partition}" if rows.partition else f"night of {rows.batch_date}"
    echo(f"{rows.table_name}, {part}: {counted(rows.rows, 'row')}")
    store = Profiles(ledger)
    trends: dict[str, Any] = {
        found.column_name: trend_of(store.trend(found.table_name, found.column_name)) for found in columns
    }
    names, cells = overview(columns, trends)
    show_table(names, cells, is_data=True)
    for name, measure in rows.measures.items():
        echo(f"{name}: {'none' if measure is None else f'{measure:.4g}'}")
