"""`etl sniff`: a proposal for a source and its contract."""

from __future__ import annotations

from pathlib import Path

import click

from etl.cli.registry import DEVELOP, under
from etl.cli.screen import echo, print_code
from etl.errors import ConfigError


@under(DEVELOP)
@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("table", required=False)
@click.option("--delimiter", default="", metavar="TEXT", help="What separates the cells. Default: a guess.")
@click.option("--watch-out", is_flag=True, help="List in words what is odd about FILE, and propose nothing.")
@click.option("--out", type=click.Path(path_type=Path), help="File to write it to, such as contracts/sales.py.")
def sniff(file: Path, table: str | None, delimiter: str, watch_out: bool, out: Path | None) -> None:
    """Propose a source and its contract for files like FILE.

    With TABLE it is for a table of a database, and FILE is the environment variable with its address: `etl sniff
    SHOP_DSN public.orders`.

    FILE may be a folder, or have wildcards in quotes: then it is for all of its files. The proposal is Python, to
    be corrected and saved in the folder of the contracts. It was tried on FILE: comments say how many of its
    records are rows, and which are rejected.
    """
    from etl.operations import sniffing

    if table is not None and (watch_out or delimiter):
        raise ConfigError("Options --watch-out and --delimiter are for files. Take them out of the command.")
    if watch_out:
        for said in sniffing.watch_out(file, delimiter) or ["Nothing odd was seen."]:
            echo(said)
        return None
    if out is None:
        return print_code(_proposed(file, table, delimiter))
    if not out.absolute().parent.is_dir():
        raise ConfigError(
            f"The folder {out.absolute().parent} does not exist. Name a file in the contracts folder."
        )
    if out.exists():
        raise _exists(out)
    proposed = _proposed(file, table, delimiter)
    try:
        with out.open("x", encoding="utf-8") as written:
            written.write(proposed)
    except FileExistsError:
        raise _exists(out) from None
    echo(f"Written to {out}. Correct it, then run `etl plan`.")


def _proposed(file: Path, table: str | None, delimiter: str) -> str:
    from etl.operations import sniffing
    from etl.operations.sniffing.tables import propose_table

    return sniffing.propose(file, delimiter) if table is None else propose_table(str(file), table)


def _exists(out: Path) -> ConfigError:
    return ConfigError(f"{out} already exists, and nothing is written over it. Name another file, or delete it.")
