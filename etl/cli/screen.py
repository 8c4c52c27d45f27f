"""How commands show things: numbers and lists as text, rows as a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from etl.errors import cut, few, printable, printable_lines

_Found = TypeVar("_Found")

#: Wider than any table; its cells are cut.
_ENDLESS = 1_000_000


def shown(value: Any) -> str:
    """Return a value as people read it: 1,204; the first three of a list."""
    if isinstance(value, list):
        return few(value, 3)
    return f"{value:,}" if isinstance(value, int) else str(value or "")


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text, whoever wrote parts of it; every command prints by this or by show_table()."""
    click.echo(printable_lines(str(text)), err=err, nl=nl)


def show(
    found: _Found, as_json: bool, tell: Callable[[_Found], None], plain: Callable[[], Any] | None = None
) -> None:
    """Print what a command found, as `tell` does for people; or as JSON, of `plain()` if it is not plain data."""
    if as_json:
        return print_json(plain() if plain else found)
    tell(found)


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print plain data as JSON, whole and exact: JSON escapes by itself what is not ASCII."""
    click.echo(json.dumps(value, indent=indent, default=str))


def show_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their names, each cell on one line; into a pipe or a file in whole lines."""
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return echo("nothing to show")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(Text(printable(name)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cut(cell))) for cell in row))
    # what is cut or folded cannot be searched
    endless = Console(width=_ENDLESS)
    width = None if sys.stdout.isatty() else Measurement.get(endless, endless.options, table).maximum
    Console(width=width, soft_wrap=width is not None).print(table)
