"""`etl diff`: what differs between two generations, or between one and a candidate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etl.cli.options import json_option, named, opened
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, show, show_table
from etl.errors import ConfigError, counted

if TYPE_CHECKING:
    from etl.operations.diff import Compared, Example

#: A value is cut off on the screen beyond so many characters, and a list of columns beyond so many.
_WIDTH, _COLUMNS = 60, 4
_MARKS = {"changed": "~", "added": "+", "removed": "-"}


@under(LOOK)
@click.command()
@click.argument("a", default="previous", shell_complete=named("generation"))
@click.argument("b", default="current", shell_complete=named("generation"))
@click.argument("table", default="", shell_complete=named("table"))
@click.option(
    "--key", default="", metavar="COLUMNS", help="Columns that name a row of TABLE, separated by commas."
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    default=3,
    show_default=True,
    help="How many examples of each kind to show.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the differing rows of TABLE to a new .parquet or .csv file.",
)
@json_option
def diff(a: str, b: str, table: str, key: str, limit: int, out: Path | None, as_json: bool) -> None:
    """Compare two published files, row by row.

    A and B are generations (or the beginnings of their names), `current`, `previous` or `candidate`; or those of
    an environment: `dev`, `dev/previous`. By default the last two generations are compared, and all of their
    tables, or only TABLE. The exit code is 0 if they hold the same, and 1 if not. JSON also lists the tables that
    are the same.
    """
    from etl.operations.diff import compare, note_counts, request_of, write_rows

    if (key or out) and not table:
        raise click.UsageError("--key and --out are for one table. Name it after A and B.")
    if out and out.suffix not in (".parquet", ".csv"):
        raise ConfigError(f"The file of --out, {out}, must end in .parquet or .csv.")
    if out and os.path.lexists(out):
        raise ConfigError(f"{out} exists already, and nothing overwrites it. Name another file.")
    project, ledger = opened()
    columns = [name.strip() for name in key.split(",")] if key else []
    request = replace(request_of(project, a, b), table=table, key=columns, limit=limit)
    found = compare(project, request)
    if not columns:
        note_counts(project, ledger, request, found)
    show(found, as_json, show_difference, plain=lambda: [asdict(item) for item in found])
    if out:
        echo(f"Wrote {counted(write_rows(project, request, out), 'row')} to {out}.", err=True)
    if any(item.status != "same" for item in found):
        raise SystemExit(1)


def show_difference(found: list[Compared]) -> None:
    """Print a line for each table that differs, and then what differs in it."""
    different = [item for item in found if item.status != "same"]
    if different:
        show_table(("table", "before", "after", "added", "removed", "changed", ""), list(map(_row, different)))
    same = counted(len(found) - len(different), "table")
    if not different:
        echo(f"no difference in {same}")
    elif len(found) > len(different):
        echo(f"{same} the same")
    for item in different:
        for line in _details(item) if item.status == "changed" else ():
            echo(line)


def _row(item: Compared) -> list[str]:
    rows = ["" if count is None else f"{count:,}" for count in item.rows]
    if item.status != "changed":
        return [item.table, *rows, "", "", "", f"{item.status}: it is only on one side"]
    names = [f"{name} ({number:,})" for name, number in list(item.columns.items())[:_COLUMNS]]
    more = [f"and {len(item.columns) - _COLUMNS} more"] if len(item.columns) > _COLUMNS else []
    changed = [*(["columns differ"] if item.schema else []), *([item.snapshot] if item.snapshot else [])]
    counts = [f"{count:,}" for count in (item.added, item.removed, item.changed)]
    return [item.table, *rows, *counts, "; ".join([*changed, *names, *more])]


def _details(item: Compared) -> Iterator[str]:
    by = f" by {', '.join(item.key)}" if item.key else f": {item.note}"
    yield f"\n{item.table}{by}"
    for line in item.schema:
        yield f"    {line}"
    for example in item.examples:
        yield f"  {_MARKS[example.change]} {_shown(example)}"


def _shown(example: Example) -> str:
    row = ", ".join(f"{name} = {_cut(value)}" for name, value in example.row.items())
    values = ", ".join(f"{name} {_cut(old)} → {_cut(new)}" for name, (old, new) in example.values.items())
    return f"{row}: {values}" if values else row


def _cut(value: str | None) -> str:
    text = "null" if value is None else value.replace("\n", "\\n")
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}..."
