"""How commands show things: numbers and lists as text, rows as a table."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from textwrap import indent
from typing import Any, TypeVar

import click

from etl.errors import cut, few, printable, printable_lines
from etl.reports.terminal import AMBER, RED, colour_of, has_colours, painted

_Found = TypeVar("_Found")

#: The signs of the id of a run, the longest word that is not broken.
_WORD = 25
#: What a project without a source is told.
NO_SOURCE = "No contract declares a source yet. To propose one: etl sniff FILE > contracts/NAME.py"


def shown(value: Any) -> str:
    """Return a value as people read it: 1,204; the first three of a list."""
    if isinstance(value, list):
        return few(value, 3)
    return f"{value:,}" if isinstance(value, int) else str(value or "")


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text, whoever wrote parts of it; every command prints by this or by show_table()."""
    stream = sys.stderr if err else sys.stdout
    safe = printable_lines(str(text))
    click.echo(painted(safe) if has_colours(stream) else safe, stream, nl=nl)


def print_code(text: str) -> None:
    """Print Python, which is UTF-8 in the file that it is written to, whatever a terminal has."""
    if sys.stdout.isatty():
        return echo(text, nl=False)
    click.echo(printable_lines(text).encode("utf-8", "backslashreplace"), sys.stdout, nl=False)


def show(
    found: _Found, as_json: bool, tell: Callable[[_Found], None], plain: Callable[[], Any] | None = None
) -> None:
    """Print what a command found, as `tell` does for people; or as JSON, of `plain()` if it is not plain data."""
    if as_json:
        return print_json(plain() if plain else found)
    tell(found)


def screen_width() -> int:
    """Return how many letters a line of standard output has room for."""
    return shutil.get_terminal_size((80, 24)).columns


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print plain data as JSON, whole and exact: JSON escapes by itself what is not ASCII."""
    click.echo(as_json(value, indent), sys.stdout)


def as_json(value: Any, indent: int | None = 2) -> str:
    """Return plain data as JSON: a decimal is a number with all its digits, bytes are as DuckDB writes them."""
    # json has no way to write such a number: it goes there as a text that nothing else begins with
    mark = secrets.token_hex(16)

    def plain(item: Any) -> str:
        if isinstance(item, Decimal):
            return f"{mark}{item:f}" if item.is_finite() else str(item)
        if isinstance(item, bytes):
            return "".join(chr(c) if 32 <= c < 127 and c not in b"\\\"'" else f"\\x{c:02X}" for c in item)
        return str(item)

    text = json.dumps(value, indent=indent, default=plain)
    return re.sub(rf'"{mark}([-0-9.]+)"', r"\1", text) if mark in text else text


def print_json_list(values: Iterable[Any]) -> None:
    """Print plain data as print_json() prints a list, one by one: there may be more than memory holds."""
    sign = "["
    for value in values:
        click.echo(f"{sign}\n{indent(as_json(value), '  ')}", sys.stdout, nl=False)
        sign = ","
    click.echo("[]" if sign == "[" else "\n]", sys.stdout)


def show_table(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    is_data: bool = False,
    may_go: Sequence[str] = (),
    prose: str = "",
) -> None:
    """Print rows below their names, each on one line: in columns on a terminal, elsewhere with tabs between cells.

    What is `is_data` is somebody's own, in which no word is red or amber. The columns that `may_go` do so, the
    first one first, where a terminal is so narrow that words would be broken. A terminal that has no room for the
    sentences of the column `prose` beside the others shows each one below its row.
    """
    if not sys.stdout.isatty():
        # what is padded, cut or folded cannot be searched
        lines = ["\t".join(printable(cut(cell)) for cell in row) for row in (names, *rows)]
        return click.echo("\n".join(lines), sys.stdout)
    if not rows:
        return echo("nothing to show")
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    is_coloured = has_colours(sys.stdout)
    console = Console(color_system="auto" if is_coloured else None)

    def grid(widths: Mapping[str, int], *, has_names: bool = True) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold", show_header=has_names)
        for name, width in widths.items():
            table.add_column(Text(printable(name)), overflow="fold", width=width or None)
        return table

    def cells(row: Sequence[str], widths: Mapping[str, int]) -> list[Text]:
        shown = [(name, cell) for name, cell in zip(names, row, strict=True) if name in widths]
        return [Text(printable(cut(cell)), "" if is_data else _style(name, cell)) for name, cell in shown]

    if not prose or _has_room(names, rows, prose, console.width):
        widths = _widths(names, rows, may_go, console.width)
        table = grid(widths)
        for row in rows:
            table.add_row(*cells(row, widths))
        return console.print(table)
    at = names.index(prose)
    others = [*names[:at], *names[at + 1 :]]
    widths = _widths(others, [[*row[:at], *row[at + 1 :]] for row in rows], may_go, console.width)
    for number, row in enumerate(rows):
        # each row has a table of its own, of the same widths, so that a sentence may have the whole line
        table = grid(widths, has_names=not number)
        table.add_row(*cells(row, widths))
        console.print(table)
        if row[at].strip():
            console.print(Padding(Text(printable(cut(row[at]))), (0, 0, 0, 2)))


def _has_room(names: Sequence[str], rows: Sequence[Sequence[str]], prose: str, width: int) -> bool:
    """Return whether the sentences of a column have a line, or half of the screen, beside the other columns."""
    from rich.cells import cell_len

    columns = {name: [name, *map(printable, cells)] for name, *cells in zip(names, *rows, strict=True)}
    longest = {name: max(map(cell_len, cells)) for name, cells in columns.items()}
    return _table_width({**longest, prose: min(longest[prose], width // 2)}) <= width


def _widths(
    names: Sequence[str], rows: Sequence[Sequence[str]], may_go: Sequence[str], width: int
) -> dict[str, int]:
    """Return the columns that a screen has room for, each with its width; 0 leaves that to the table.

    No word is broken, but for one of more signs than an id has. Where there is room for more than that, the first
    columns have it.
    """
    if not may_go:
        return dict.fromkeys(names, 0)
    from rich.cells import cell_len

    columns = {name: [name, *map(printable, cells)] for name, *cells in zip(names, *rows, strict=True)}
    least = {
        name: min(max(cell_len(word) for cell in cells for word in cell.split() or [""]), _WORD)
        for name, cells in columns.items()
    }
    for name in may_go:
        if _table_width(least) <= width:
            break
        del least[name]
    room = width - _table_width(least)
    if room < 0:
        return dict.fromkeys(least, 0)
    for name in least:
        more = min(room, max(map(cell_len, columns[name])) - least[name])
        least[name] += more
        room -= more
    return least


def _table_width(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + 2 * (len(widths) - 1)


def _style(column: str, cell: str) -> str:
    return {RED: "red", AMBER: "yellow"}.get(colour_of(column, cell), "")
