"""`etl wait`: for scripts that need a delivery to be there."""

from __future__ import annotations

from datetime import date

import click

from etl.cli.options import Day, Duration, json_option, named
from etl.cli.registry import RUN, under
from etl.cli.screen import echo, print_json
from etl.errors import lasting

_MISSING = 20


@under(RUN)
@click.command()
@click.argument("source", shell_complete=named("source"))
@click.argument("date", type=Day())
@click.option("--within", type=Duration(), default="4h", show_default=True, help="Give up after so long.")
@click.option("--poll", type=Duration(least=1), default="5min", show_default=True, help="Look so often.")
@json_option
def wait(source: str, date: date, within: float, poll: float, as_json: bool) -> None:
    """Wait until the delivery of a date is there and complete.

    Markers and settle times count as they do in a night. A snapshot has to be of DATE or later. Nothing is taken,
    and no run has to wait. The exit code is 20 if the delivery is not there in the end.
    """
    from etl.operations.awaiting import wait_for
    from etl.project import load_project

    found = wait_for(
        load_project(),
        source,
        date,
        within=within,
        poll=poll,
        tell=lambda why: echo(f"{source} {date}: waiting: {why}", err=True),
    )
    if as_json:
        print_json({**vars(found), "date": str(date), "is_there": not found.why})
    elif found.why:
        echo(f"{source} {date}: not there after {lasting(found.seconds)}: {found.why}")
    else:
        echo(f"{source} {date}: the delivery is there")
    if found.why:
        raise SystemExit(_MISSING)
