"""`etl clear`: a source or a model, done again by the next run."""

from __future__ import annotations

import click

from etl.cli.options import DateRanges, Days, named, yes_option
from etl.cli.registry import REPAIR, under
from etl.cli.screen import echo
from etl.errors import ConfigError, counted


@under(REPAIR)
@click.command()
@click.argument("name", metavar="SOURCE|MODEL", shell_complete=named("source or model"))
@click.option("--dates", type=Days(), help="Only these dates of a source, such as 2024-03-01..2024-03-31.")
@yes_option
def clear(name: str, dates: DateRanges | None, yes: bool) -> None:
    """Have the next run do a source or a model again.

    All that reads it is done again too. Nothing is deleted: what is published stays until the next run replaces
    it, and what was taken of a file that is gone from raw/ stays as it is. A source that was removed from the
    contracts is dropped, as by `etl drop`: that is what this command did once.
    """
    from etl.operations.clearing import clear as clear_all
    from etl.operations.clearing import is_removed
    from etl.project import load_project

    project = load_project()
    if is_removed(project, name):
        from etl.cli.drop import drop

        echo(f"No contract describes {name} any more. To delete what is left of it is now called: etl drop {name}")
        if dates:
            raise ConfigError("It is deleted as a whole. Leave --dates out.")
        click.get_current_context().invoke(drop, source=name, yes=yes)
        return
    found = clear_all(project, name, dates.__contains__ if dates else None)
    partitions = [counted(len(found.dates), "partition")] if found.dates else []
    models = [counted(len(found.models), "model")] if found.models else []
    echo(f"Cleared {' and '.join([*partitions, *models])}. The next run does them again. To begin it: etl run")
    if found.gone:
        echo(f"{counted(len(found.gone), 'partition')} stay as they are, since their files are gone.")
