"""`etl backfill`: the deliveries of given dates, taken or taken again."""

from __future__ import annotations

import shlex
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

import click

from etl.cli.options import Day, json_option, named, opened, workers_option
from etl.cli.registry import RUN, under
from etl.cli.screen import echo, print_json, show_table, shown
from etl.errors import Crash, counted

if TYPE_CHECKING:
    from etl.operations.backfill import Partition
    from etl.operations.backfilled import Ended
    from etl.project import Project


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
    on; with --force it begins again, unless --resume is given. Each partition is said when it is done, and all are
    listed in the end with their outcome. The exit codes are those of a run.
    """
    from etl.operations.backfill import begun_by, partitions
    from etl.plan import Scope
    from etl.reports.history import find_run

    project, ledger = opened()
    since = begun_by(find_run(project, ledger, resume)) if resume and force else ""
    found = partitions(project, ledger, Scope(stop, start, source, force=force, since=since))
    if is_dry:
        return print_json([_plain(one) for one in found]) if as_json else _show(found)
    echo(_headline(found), err=as_json)
    ledger.close()
    own = ["--start", str(start), "--stop", str(stop), *(["--source", source] if source else [])]
    own += ["--force"] if force else []
    again = shlex.join(["etl", "backfill", *own, *(["--resume"] if force else [])])
    arguments = ["Backfill", *own, *(["--since", since] if since else []), "--workers", str(workers)]
    _run(project, arguments, found, again=again, as_json=as_json)


def _run(project: Project, arguments: list[str], found: list[Partition], *, again: str, as_json: bool) -> None:
    """Take partitions, and list what became of them before the process exits with the code of the run."""
    from etl.ledger import Ledger
    from etl.operations.backfilled import ended, said
    from etl.run.active import finish_runs, has_crashed, new_run_id
    from etl.run.display import asked_for
    from etl.tasks import run_luigi

    run_id, code = new_run_id(), 0
    own = ["--project", project.identity, "--run-id", run_id]
    with asked_for(), said(project, run_id, found):
        try:
            run_luigi([*arguments, *own])
        except SystemExit as asked:
            code = int(asked.code or 0)
        finally:
            # what became of it is known when it has ended, which otherwise is at the end of the process
            finish_runs()
    code = Crash.exit_code if has_crashed() else code
    with closing(Ledger(project.ledger, is_reading=True)) as ledger:
        # one that could not begin has said why
        if run := next((run for run in ledger.runs() if run.run_id == run_id), None):
            partitions = ended(ledger, run_id, found)
            if as_json:
                facts = {"run_id": run_id, "outcome": run.outcome, "exit_code": code}
                print_json({**facts, "partitions": [{**vars(one), "date": str(one.date)} for one in partitions]})
            else:
                _tell(run.outcome, partitions, again)
    raise SystemExit(code)


def _tell(outcome: str, partitions: list[Ended], again: str) -> None:
    from etl.operations.backfilled import counts

    echo(f"{counts(partitions)}: {outcome}")
    if partitions:
        rows = [
            (one.source, str(one.date), one.outcome, shown(one.rows), shown(one.rejected), one.why)
            for one in partitions
        ]
        show_table(("source", "date", "outcome", "rows", "rejected", "why"), rows, prose="why")
    if any(one.outcome in ("failed", "skipped") for one in partitions):
        echo(f"To go on from here: {again}")


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
