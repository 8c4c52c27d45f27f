"""`etl init`: a new project."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from etl.cli.registry import DEVELOP, under
from etl.cli.screen import echo


@under(DEVELOP)
@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--empty", "is_empty", is_flag=True, help="Leave the example out.")
def init(folder: Path, is_empty: bool) -> None:
    """Make a new project in FOLDER that runs as it is.

    It has a small feed of sales as an example. With --empty it is ready for your own first file.
    """
    from etl.operations.new_project import new_project

    new_project(folder, is_empty=is_empty)
    go = f"cd {quote(str(folder))}"
    if is_empty:
        echo(f"Made {folder}. Put your first file into {folder}/data/raw/NAME/, named by its date. Then run:")
        echo(f"{go} && etl sniff data/raw/NAME/YYYY-MM-DD.csv > contracts/NAME.py && etl run")
    else:
        echo(f"Made {folder}. Now run: {go} && etl run --date 2024-03-02")
