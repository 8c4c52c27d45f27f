"""The `etl` command: run the night, and ask what is there. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from etl.errors import EtlError

_SHOWN_ROWS = 100


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="etl")
def cli() -> None:
    """Raw files to a published, audited DuckDB warehouse."""


def main() -> None:
    """Run the command; an EtlError becomes its message and its exit code."""
    try:
        cli()
    except EtlError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


@cli.command()
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="The batch date; default: today.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes at once.")
@click.option("--allow-withdrawn", default="", metavar="SOURCES", help="Sources whose files may be gone.")
def run(date: datetime | None, workers: int, allow_withdrawn: str) -> None:
    """Take what is new up to a date, and publish it: the same as `luigi --module etl Nightly`."""
    from etl.progress import showing_progress
    from etl.tasks import run_luigi

    arguments = ["Nightly", "--workers", str(workers)]
    arguments += ["--date", f"{date:%Y-%m-%d}"] if date else []
    arguments += ["--allow-withdrawn", allow_withdrawn] if allow_withdrawn else []
    with showing_progress():
        run_luigi(arguments)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show how fresh and how clean each source is, the last run and the current generation."""
    from etl.status import project_status

    found = project_status()
    if as_json:
        return click.echo(json.dumps(found, indent=2))
    last = found["last_run"]
    click.echo(f"project     {found['project']}")
    click.echo(f"generation  {found['generation'] or 'nothing is published yet'}")
    click.echo(f"last run    {_when(last) if last else 'never'}")
    names = ("source", "newest", "partitions", "rows", "rejected", "refused", "holes")
    _table(names, [[_text(source[name]) for name in names] for source in found["sources"]])


@cli.command()
@click.argument("source", required=False, default="")
@click.option("--json", "as_json", is_flag=True, help="Print every record as JSON.")
def quarantine(source: str, as_json: bool) -> None:
    """Show rejected records: counts by source, date and rule, or the records of one SOURCE."""
    from etl.status import quarantine_counts, quarantined

    if as_json:
        click.echo(json.dumps(quarantined(source), indent=2, default=str))
    elif source:
        names = ("date", "line", "rule", "message", "text")
        records = quarantined(source)
        _table(names, [[str(record[name]) for name in names] for record in records[:_SHOWN_ROWS]])
        if len(records) > _SHOWN_ROWS:
            click.echo(f"... and {len(records) - _SHOWN_ROWS:,} more; --json prints all")
    else:
        names = ("source", "date", "file", "rule", "records")
        _table(names, [[_text(row[name]) for name in names] for row in quarantine_counts()])


@cli.command()
def generations() -> None:
    """List the published generations on disk, the newest first."""
    from etl.project import load_project
    from etl.stages import published

    project = load_project()
    now = published.current(project)
    rows = []
    for name in reversed(published.generations(project)):
        size = (project.generations / name / published.FILE).stat().st_size
        rows.append([name, f"{size / 1e6:,.1f} MB", "current" if name == now else ""])
    _table(("generation", "size", ""), rows)


@cli.command()
@click.argument("generation", required=False, default="")
def rollback(generation: str) -> None:
    """Make GENERATION the current one; by default the one before the current."""
    import os

    from etl.project import load_project
    from etl.run import take_lock
    from etl.stages import published

    project = load_project()
    lock = take_lock(project, "rollback")
    try:
        click.echo(f"{published.rollback(project, generation)} is the current generation")
    finally:
        os.close(lock)


@cli.command()
@click.argument("query")
@click.option("--json", "as_json", is_flag=True, help="Print every row as JSON.")
def sql(query: str, as_json: bool) -> None:
    """Run QUERY on the current generation, read-only."""
    from etl.status import ask

    names, rows = ask(query)
    if as_json:
        return click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=str))
    _table(names, [["" if value is None else str(value) for value in row] for row in rows[:_SHOWN_ROWS]])
    if len(rows) > _SHOWN_ROWS:
        click.echo(f"... and {len(rows) - _SHOWN_ROWS:,} more rows; --json prints all")


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make a new project in FOLDER that runs as it is."""
    from etl.status import new_project

    new_project(folder)
    click.echo(f"made {folder}; now: cd {folder} && luigi --module etl Nightly --date 2024-03-02")


def _when(run: dict[str, Any]) -> str:
    outcome = run["outcome"] or "under way"
    return f"{outcome}, batch date {run['batch_date']}, begun {run['started_at'][:19]}Z"


def _text(value: Any) -> str:
    if isinstance(value, list):
        more = f" and {len(value) - 3} more" if len(value) > 3 else ""
        return ", ".join(map(str, value[:3])) + more
    return f"{value:,}" if isinstance(value, int) else str(value or "")


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
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
    # a pipe or a file gets whole lines, however long
    width = None if sys.stdout.isatty() else 1000
    Console(width=width, soft_wrap=width is not None).print(table)
