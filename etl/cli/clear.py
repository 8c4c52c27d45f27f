"""`etl clear`: what the lake and quarantine still hold of a source that there is no more."""

from __future__ import annotations

import click

from etl.cli.screen import echo
from etl.errors import counted


@click.command()
@click.argument("source")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(source: str, yes: bool) -> None:
    """Delete the lake and quarantine of SOURCE, which no contract describes any more.

    Nothing in raw/ or data/corrections is deleted, and no generation. The snapshots of a history cannot be taken
    again.
    """
    from etl.operations.purge import clear as delete
    from etl.project import load_project

    project = load_project()
    if not yes:
        click.confirm(
            f"Delete all of {source} from the lake and quarantine? A history never comes back.", abort=True
        )
    echo(f"Deleted {counted(delete(project, source), 'partition')} of {source} from the lake and quarantine.")
