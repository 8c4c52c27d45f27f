"""`etl purge`: a source's data deleted from all that was made from it."""

from __future__ import annotations

import sys
from datetime import date
from typing import TYPE_CHECKING

import click

from etl.cli.options import day_option, named, yes_option
from etl.cli.registry import REPAIR, under
from etl.cli.screen import echo
from etl.errors import PublishHeld, counted, few

if TYPE_CHECKING:
    from etl.operations.purge import Purged
    from etl.project import Project

_SHOWN = 20


@under(REPAIR)
@click.command()
@click.argument("source", shell_complete=named("source"))
@day_option("--date", help="Delete only this date of it.")
@yes_option
def purge(source: str, date: date | None, yes: bool) -> None:
    """Delete what was made from a source, everywhere.

    That is in the lake, in quarantine, in generations and in the candidate. Models that learn from SOURCE forget
    what they have learned, champions of before too. Then a night rebuilds and publishes what raw/ and the contract
    say now, these models learn again, and older generations that hold data of SOURCE are deleted. Nothing in raw/
    or data/corrections is deleted: what remains there is listed.
    """
    from etl.operations.purge import learned_from
    from etl.operations.purge import purge as delete
    from etl.project import load_project

    project = load_project()
    what = f"{source} of {date}" if date else f"all of {source}"
    if not yes:
        models = few(learned_from(project, source))
        forgets = f", with all that was learned from it by {models}" if models else ""
        click.confirm(
            f"Delete {what} from lake, quarantine and all generations but the next{forgets}?", abort=True
        )
    purged = delete(project, source, date)
    echo(f"Deleted {counted(purged.partitions, 'partition')} from the lake and quarantine. A night follows.")
    before, code = _current(project), _night()
    is_published = _current(project) != before
    is_reached = True
    if is_published:
        is_unlearned = _tell_learned(project, source, purged)
        is_reached = _delete_generations(project, source, date, what) and is_unlearned
    else:
        echo(f"Nothing was published, so the generations still hold {what}. Fix the cause and purge again.")
    _tell_remains(source, purged)
    sys.exit(code or (0 if is_published and is_reached else PublishHeld.exit_code))


def _delete_generations(project: Project, source: str, date: date | None, what: str) -> bool:
    """Delete the generations that hold what is purged, in the mirror too; return whether that was reached."""
    from etl.ledger import Ledger
    from etl.operations.purge import purge_generations
    from etl.stages.mirrored import keep_up, known

    deleted = purge_generations(project, source, date)
    echo(f"Deleted {counted(len(deleted), 'generation')} that held {what}.")
    keep_up(project, ledger := Ledger(project.ledger))
    is_reached = not (project.settings.mirror and known(project, ledger).problem)
    if not is_reached:
        echo(f"{project.settings.mirror} still holds {what}. Fix the cause, and run: etl mirror")
    return is_reached


def _tell_learned(project: Project, source: str, purged: Purged) -> bool:
    """Say which models have learned again; return whether nothing that was learned before is published."""
    from etl.operations.purge import still_learned

    if not purged.models:
        return True
    if still := still_learned(project, purged):
        echo(f"These tables still hold what was learned from {source}: {few(still)}. Run: etl purge {source}")
        return False
    echo(f"Deleted what was learned from {source}, and is learned again from what is left: {few(purged.models)}.")
    return True


def _tell_remains(source: str, purged: Purged) -> None:
    if purged.remains:
        echo(f"These files remain, since etl never deletes them: {few(purged.remains, _SHOWN)}.")
        echo(f"What they hold was taken again. Delete what must go, and run: etl purge {source}")
    for name in purged.environments:
        echo(f"The environment {name} has data of its own: ETL_ENV={name} etl purge {source}")


def _current(project: Project) -> str:
    from etl.stages import published

    return published.current(project) or ""


def _night() -> int:
    """Run a night in this process and return its exit code."""
    from etl.run.active import finish_runs
    from etl.tasks import run_luigi

    try:
        run_luigi(["Nightly"])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    finally:
        finish_runs()
    return 0
