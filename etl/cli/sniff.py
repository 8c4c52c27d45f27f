"""`etl sniff`: a proposal for a source and its contract."""

from __future__ import annotations

from pathlib import Path

import click

from etl.cli.screen import echo


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--delimiter", default="", metavar="TEXT", help="What separates the cells; default: a guess.")
def sniff(file: Path, delimiter: str) -> None:
    """Propose a source and its contract for deliveries like FILE, as Python to correct and save."""
    from etl.sources.sniff import propose

    echo(propose(file, delimiter), nl=False)
