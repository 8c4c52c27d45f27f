"""`etl run`: the night, with its progress on the terminal."""

from __future__ import annotations

from datetime import datetime

import click


@click.command()
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="The batch date; default: today.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes at once.")
@click.option("--allow-withdrawn", default="", metavar="SOURCES", help="Sources whose files may be gone.")
@click.option("--select", "selection", default="", metavar="MODELS", help="Only these models; see `etl plan`.")
@click.option("--force", is_flag=True, help="Publish even if a rollback holds it.")
def run(date: datetime | None, workers: int, allow_withdrawn: str, selection: str, force: bool) -> None:
    """Take what is new up to a date, and publish it: the same as `luigi --module etl Nightly`.

    With --select, models are built with what they need: the same as BuiltModel. Nothing is published then.
    """
    from etl.cli.progress import showing_progress
    from etl.tasks.graph import run_luigi

    if selection and (allow_withdrawn or force):
        option = "--force" if force else "--allow-withdrawn"
        raise click.UsageError(f"{option} is for a whole run: leave it or --select out.")
    arguments = ["BuiltModel", "--name", selection] if selection else ["Nightly"]
    arguments += ["--workers", str(workers)]
    arguments += ["--date", f"{date:%Y-%m-%d}"] if date else []
    arguments += ["--allow-withdrawn", allow_withdrawn] if allow_withdrawn else []
    arguments += ["--force"] if force else []
    with showing_progress():
        run_luigi(arguments)
