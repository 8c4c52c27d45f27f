"""`etl retry`: what failed in a run once more, and what waited for it."""

from __future__ import annotations

import click

from etl.cli.options import named, opened, workers_option
from etl.cli.registry import RUN, under
from etl.cli.screen import echo
from etl.errors import few


@under(RUN)
@click.command()
@click.argument("run", default="last", shell_complete=named("run"))
@workers_option()
def retry(run: str, workers: int) -> None:
    """Do again what failed in a run, and what waited for it.

    RUN is an id that `etl runs` lists, or its beginning; `last`, or `failed` for the last run that failed. By
    default it is the last run. What is parked is tried too. Other deliveries wait for the next night. The exit
    codes are those of a run.
    """
    from etl.operations.retry import parked_sources, what_failed
    from etl.reports.history import find_run
    from etl.run.display import asked_for
    from etl.tasks import run_luigi

    project, ledger = opened()
    found = find_run(project, ledger, run)
    parked = parked_sources(project, ledger)
    again = what_failed(ledger, found, parked)
    if again is None:
        echo(f"Nothing failed in run {found.run_id}. There is nothing to do again.")
        return
    what = [str(step.id) for step in again.steps] or (["all of it"] if again.sources is None else [])
    steps = few([*what, *(f"what is parked of {name}" for name in parked)])
    echo(f"Again, of run {found.run_id} of {found.batch_date}: {steps}.")
    with asked_for():
        run_luigi([*again.arguments, "--workers", str(workers)])
