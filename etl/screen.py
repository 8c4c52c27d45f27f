"""How commands show things: numbers and lists as text, rows as a table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from etl.errors import few


def shown(value: Any) -> str:
    """Return a value as people read it: 1,204; the first three of a list."""
    if isinstance(value, list):
        return few(value, 3)
    return f"{value:,}" if isinstance(value, int) else str(value or "")


def show_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their names; into a pipe or a file in whole lines, however long."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return click.echo("nothing to show")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # what is cut or folded cannot be searched
    width = None if sys.stdout.isatty() else 1000
    Console(width=width, soft_wrap=width is not None).print(table)
