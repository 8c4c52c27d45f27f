"""`etl init`: a new project."""

from __future__ import annotations

from pathlib import Path

import click

from etl.cli.registry import DEVELOP, under
from etl.cli.screen import echo


@under(DEVELOP)
@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make a new project in FOLDER that runs as it is."""
    from etl.operations.new_project import new_project

    new_project(folder)
    echo(f"made {folder}; now: cd {folder} && luigi --module etl Nightly --date 2024-03-02")
