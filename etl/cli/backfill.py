"""`etl backfill`: the deliveries of given dates, taken or taken again."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from etl.cli.options import Day, json_option, named, opened, workers_option
from etl.cli.registry import RUN, under
from etl.cli.screen import echo, print_json, show_table
from etl.errors import counted

if TYPE_CHECKING:
    from etl.operations.backfill import Partition


@under(RUN)
@click.command()
@click.option("--start", required=True, type=Day(), help="The first date.")
@click.option("--stop", required=True, type=Day(), help="The last date.")
@click.option("--source", default="", metavar="SOURCE", shell_complete=named("source"), help="Only this source.")
@click.option("--force", is_flag=True, help="Take also what is done and unchanged.")
@click.option("--dry-run", "is_dry", is_flag=True, help="List the partitions and why, and take none.")
@click.option(
    "--resume",
    default="",
    metavar="[RUN]",
    is_flag=False,
    flag_value="last",
    shell_complete=named("run"),
    help="With --force: leave what was extracted since RUN began, which was ended. Alone: the last run.",
)
@workers_option()
@json_option
def backfill(
    *,
    start: date,
    stop: date,
    source: str,
    force: bool,
    is_dry: bool,
    resume: str,
    workers: int,
    as_json: bool,
) -> None:
    """Take the deliveries of given dates, and publish them.

    All that is new or changed is taken in one run. What an ended run has done is kept, so the same command goes
    on; with --force it begins again, unless --resume is given. --json is for --dry-run. The exit codes are those
    of a run.
    """
    from etl.operations.backfill import begun_by, partitions
    from etl.plan import Scope
    from etl.reports.history import find_run

    if as_json and not is_dry:
        raise click.UsageError("--json is for --dry-run. Add --dry-run, or leave --json out.")
    project, ledger = opened()
    since = begun_by(find_run(project, ledger, resume)) if resume and force else ""
    found = partitions(project, ledger, Scope(stop, start, source, force=force, since=since))
    if is_dry:
        return print_json([_plain(one) for one in found]) if as_json else _show(found)
    echo(_headline(found))
    ledger.close()
    arguments = ["Backfill", "--start", str(start), "--stop", str(stop), "--workers", str(workers)]
    arguments += ["--source", source] if source else []
    arguments += ["--force"] if force else []
    arguments += ["--since", since] if since else []
    _run(arguments)


def _run(arguments: list[str]) -> None:
    from etl.run.display import asked_for
    from etl.tasks import run_luigi

    with asked_for():
        run_luigi(arguments)


def _headline(found: list[Partition]) -> str:
    taken = sum(one.is_taken for one in found)
    return f"{counted(taken, 'partition')} to take, {len(found) - taken:,} unchanged"


def _show(found: list[Partition]) -> None:
    echo(_headline(found))
    if found:
        words = {True: "take", False: "keep"}
        rows = [(one.source, str(one.date), words[one.is_taken], one.why) for one in found]
        show_table(("source", "date", "action", "why"), rows)


def _plain(one: Partition) -> dict[str, object]:
    return {"source": one.source, "date": str(one.date), "is_taken": one.is_taken, "why": one.why}
