"""`etl sniff`: a proposal for a source and its contract."""

from __future__ import annotations

from pathlib import Path

import click

from etl.cli.registry import DEVELOP, under
from etl.cli.screen import print_code


@under(DEVELOP)
@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--delimiter", default="", metavar="TEXT", help="What separates the cells. Default: a guess.")
def sniff(file: Path, delimiter: str) -> None:
    """Propose a source and its contract for files like FILE.

    It is Python, to be corrected and saved in the folder of the contracts.
    """
    from etl.sources.sniff import propose

    print_code(propose(file, delimiter))
