"""`etl fetch`: ask sources beyond files what is new, and land it as deliveries."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from etl.cli.options import day_option, json_option, named
from etl.cli.registry import RUN, under
from etl.cli.screen import echo, print_json
from etl.errors import ConfigError

if TYPE_CHECKING:
    from etl.ledger.fetches import FetchRow

_MISSING = 20


@under(RUN)
@click.command()
@click.argument("sources", metavar="[SOURCE]...", nargs=-1, shell_complete=named("source"))
@click.option("--full", is_flag=True, help="Fetch all there is, whatever the cursor says.")
@click.option("--since", metavar="X", help="Begin at X instead of where the last fetch ended.")
@click.option("--drop-slot", is_flag=True, help="Fetch nothing: drop the slot of a source that is given up.")
@day_option("--date", help="The date of the delivery. Default: today.")
@json_option
def fetch(
    sources: tuple[str, ...], full: bool, since: str | None, drop_slot: bool, date: date | None, as_json: bool
) -> None:
    """Fetch what is new from sources beyond files.

    All of them are asked, or those that are named. What is new is landed below data/fetched, and the next run
    takes it. A run does it by itself. The exit code is 20 if one did not answer.
    """
    if drop_slot:
        if full or since is not None:
            raise ConfigError("The option --drop-slot fetches nothing. Take --full or --since out.")
        return _drop(sources, as_json)
    from etl.operations.fetching import fetch_now

    found = fetch_now(sources, full=full, since=since, day=date)
    if as_json:
        print_json([vars(row) for row in found])
    else:
        for row in found:
            _show(row)
        if not found:
            echo("No source is fetched: all deliveries are files. See fetch= of Source.")
    if any(row.outcome == "failed" for row in found):
        raise SystemExit(_MISSING)


def _drop(sources: tuple[str, ...], as_json: bool) -> None:
    from etl.operations.fetching import drop_slots

    found = drop_slots(sources)
    if as_json:
        return print_json([{"source": name, "dropped": slots} for name, slots in found.items()])
    for name, slots in found.items():
        for slot in slots:
            echo(f"{name}: the slot {slot} is dropped. To fetch it again, type: etl fetch {name} --full")
        if not slots:
            echo(f"{name}: its server has no slot for it.")


def _show(row: FetchRow) -> None:
    from etl.run.fetching import told

    if row.outcome == "failed":
        return echo(f"failed: {row.message}")
    echo(f"{row.source}: {told(row)}")
    if row.message:
        echo(f"  {row.message}")
    for path in row.files:
        echo(f"  data/fetched/{path}")
