"""`etl drop`: what the lake and quarantine still hold of a source that was removed."""

from __future__ import annotations

import click

from etl.cli.options import named, yes_option
from etl.cli.registry import REPAIR, under
from etl.cli.screen import echo
from etl.errors import counted


@under(REPAIR)
@click.command()
@click.argument("source", shell_complete=named("source"))
@yes_option
def drop(source: str, yes: bool) -> None:
    """Delete what is left of a source that was removed.

    Its lake and its quarantine are deleted, for a SOURCE that no contract describes any more. Nothing in raw/ or
    data/corrections is deleted, and no generation. The snapshots of a history cannot be taken again.
    """
    from etl.operations.purge import drop as delete
    from etl.project import load_project

    project = load_project()
    if not yes:
        click.confirm(
            f"Delete all of {source} from the lake and quarantine? Snapshots of a history cannot be taken again.",
            abort=True,
        )
    echo(f"Deleted {counted(delete(project, source), 'partition')} of {source} from the lake and quarantine.")
