"""The `etl` command: run the night, and ask what is there. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from etl.audits_cli import audits
from etl.diff_cli import diff
from etl.env_cli import approve, env
from etl.errors import EtlError, few
from etl.generations_cli import generations, reproduce, rollback
from etl.lineage_cli import lineage
from etl.plan_cli import plan
from etl.printable import indented
from etl.purge_cli import purge
from etl.quarantine_cli import quarantine
from etl.screen import echo, print_json, show_table, shown

_SHOWN_ROWS = 100
_SHOWN_LINES = 20


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="etl")
def cli() -> None:
    """Raw files to a published, audited DuckDB warehouse."""


cli.add_command(audits)
cli.add_command(plan)
cli.add_command(generations)
cli.add_command(rollback)
cli.add_command(diff)
cli.add_command(env)
cli.add_command(approve)
cli.add_command(reproduce)
cli.add_command(quarantine)
cli.add_command(purge)
cli.add_command(lineage)


def main() -> None:
    """Run the command; an EtlError becomes its message and its exit code."""
    try:
        cli()
    except EtlError as error:
        echo(indented(f"Error: {error}"), err=True)
        sys.exit(error.exit_code)


@cli.command()
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="The batch date; default: today.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes at once.")
@click.option("--allow-withdrawn", default="", metavar="SOURCES", help="Sources whose files may be gone.")
@click.option("--select", "selection", default="", metavar="MODELS", help="Only these models; see `etl plan`.")
@click.option("--force", is_flag=True, help="Publish even if a rollback holds it.")
def run(date: datetime | None, workers: int, allow_withdrawn: str, selection: str, force: bool) -> None:
    """Take what is new up to a date, and publish it: the same as `luigi --module etl Nightly`.

    With --select, models are built with what they need: the same as BuiltModel. Nothing is published then.
    """
    from etl.progress import showing_progress
    from etl.tasks import run_luigi

    if selection and (allow_withdrawn or force):
        option = "--force" if force else "--allow-withdrawn"
        raise click.UsageError(f"{option} is for a whole run: leave it or --select out.")
    arguments = ["BuiltModel", "--name", selection] if selection else ["Nightly"]
    arguments += ["--workers", str(workers)]
    arguments += ["--date", f"{date:%Y-%m-%d}"] if date else []
    arguments += ["--allow-withdrawn", allow_withdrawn] if allow_withdrawn else []
    arguments += ["--force"] if force else []
    with showing_progress():
        run_luigi(arguments)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show how fresh and how clean each source is, the last run and the current generation."""
    from etl.status import project_status

    found = project_status()
    if as_json:
        return print_json(found, indent=2)
    last = found["last_run"]
    echo(f"project     {found['project']}")
    echo(f"generation  {found['generation'] or 'nothing is published yet'}")
    for text in filter(None, [found["held"], found["candidate"], found["wrong"]]):
        echo(f"            {text}")
    echo(f"last run    {_when(last) if last else 'never'}")
    for line in _problems(last) if last else ():
        echo(f"            {line}")
    names = ("source", "newest", "partitions", "rows", "rejected", "refused", "holes")
    rows = [{**source, "holes": _newest(source["holes"])} for source in found["sources"]]
    show_table(names, [[shown(row[name]) for name in names] for row in rows])
    for name in found["removed"]:
        echo(f"{name}: not a source any more, but the lake or quarantine holds it: etl purge {name}")
    for source in found["sources"]:
        if source["late_since"]:
            echo(f"{source['source']}: late since {source['late_since']} ({source['rhythm']})")
        if source["lost"]:
            echo(f"{source['source']}: lost, the lake does not hold it any more: {few(source['lost'])}")
        for note in source["notes"]:
            echo(f"{source['source']}: {note}")


@cli.command()
@click.argument("query", default="")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="The last generation up to that batch date.")
@click.option("--generation", default="", metavar="NAME", help="A generation, by the beginning of its name.")
@click.option("--candidate", is_flag=True, help="The candidate that was not published.")
@click.option("--json", "as_json", is_flag=True, help="Print every row as JSON.")
def sql(query: str, at: datetime | None, generation: str, candidate: bool, as_json: bool) -> None:
    """Run QUERY on the current generation, or another one, read-only; without a query, tell how to open it."""
    from etl.status import ask, file_of, opening

    if sum(map(bool, (at, generation, candidate))) > 1:
        raise click.UsageError("give one of --at, --generation and --candidate.")
    file = file_of(generation or ("candidate" if candidate else "current"), at.date() if at else None)
    if not query:
        return echo(opening(file))
    names, rows = ask(query, file)
    if as_json:
        return print_json([dict(zip(names, row, strict=True)) for row in rows], default=str)
    show_table(names, [["" if value is None else str(value) for value in row] for row in rows[:_SHOWN_ROWS]])
    if len(rows) > _SHOWN_ROWS:
        echo(f"... and {len(rows) - _SHOWN_ROWS:,} more rows; --json prints all")


@cli.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--delimiter", default="", metavar="TEXT", help="What separates the cells; default: a guess.")
def sniff(file: Path, delimiter: str) -> None:
    """Propose a source and its contract for deliveries like FILE, as Python to correct and save."""
    from etl.sniff import propose

    echo(propose(file, delimiter), nl=False)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make a new project in FOLDER that runs as it is."""
    from etl.status import new_project

    new_project(folder)
    echo(f"made {folder}; now: cd {folder} && luigi --module etl Nightly --date 2024-03-02")


def _problems(run: dict[str, Any]) -> list[str]:
    """Return what failed in a run, in as many lines as a screen has room for."""
    lines = [line for each in run["problems"] for line in f"{each['step']}: {each['message']}".splitlines()]
    rest = len(lines) - _SHOWN_LINES
    more = [f"... and {rest:,} more lines; --json prints all"] if rest > 0 else []
    return [*lines[:_SHOWN_LINES], *more]


def _newest(days: list[str]) -> str:
    """Return the last three of some days, and how many there are before them."""
    older = f"{len(days) - 3:,} earlier, " if len(days) > 3 else ""
    return older + ", ".join(days[-3:])


def _when(run: dict[str, Any]) -> str:
    return f"{run['state']}, batch date {run['batch_date']}, begun {run['started_at'][:19]}Z"
