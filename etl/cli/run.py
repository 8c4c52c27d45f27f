"""`etl run`: the night, with its progress on the terminal."""

from __future__ import annotations

from datetime import date

import click

from etl.cli.options import day_option, select_option, workers_option
from etl.cli.registry import RUN, under


@under(RUN)
@click.command()
@day_option("--date", help="The batch date. Default: today.")
@workers_option()
@click.option(
    "--allow-withdrawn",
    default="",
    metavar="SOURCES",
    help="Sources whose files may be gone, separated by commas.",
)
@select_option("Build only these models, and what they need.")
@click.option("--force", is_flag=True, help="Publish even if a rollback holds it back.")
@click.option(
    "--unattended",
    "is_unattended",
    is_flag=True,
    help="As a schedule runs it: with the variables of etl.env, and its output in data/logs/unattended.log.",
)
@click.option("--days", default="", metavar="DAYS", help="With --unattended: run on these days only.")
def run(
    date: date | None,
    workers: int,
    allow_withdrawn: str,
    selection: str,
    force: bool,
    is_unattended: bool,
    days: str,
) -> None:
    """Take what is new up to a date, and publish it.

    It is the same as `luigi --module etl Nightly`. With --select it is the same as BuiltModel, and nothing is
    published.
    """
    from etl.run.display import asked_for
    from etl.tasks import run_luigi

    if days and not is_unattended:
        raise click.UsageError("--days is for a run by a schedule. Add --unattended, or leave --days out.")

    if selection and (allow_withdrawn or force):
        option = "--force" if force else "--allow-withdrawn"
        raise click.UsageError(f"{option} is for a whole run. Leave it out, or leave --select out.")
    arguments = ["BuiltModel", "--name", selection] if selection else ["Nightly"]
    arguments += ["--workers", str(workers)]
    arguments += ["--date", str(date)] if date else []
    arguments += ["--allow-withdrawn", allow_withdrawn] if allow_withdrawn else []
    arguments += ["--force"] if force else []
    if is_unattended:
        from etl.operations.unattended import unattended
        from etl.run.active import has_crashed
        from etl.tasks.setup import exit_as_crash

        def work() -> None:
            # what was registered belongs to the process that waits
            exit_as_crash(has_crashed)
            run_luigi(arguments)

        raise SystemExit(unattended(work, days))
    with asked_for():
        run_luigi(arguments)
