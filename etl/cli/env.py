"""`etl env` and `etl approve`: environments, and what may be promoted between them."""

from __future__ import annotations

from typing import Any

import click

from etl.cli.options import json_option, named, yes_option
from etl.cli.registry import ENVIRONMENTS, Group, under
from etl.cli.screen import echo, show, show_table
from etl.errors import counted


@under(ENVIRONMENTS)
@click.group(cls=Group)
def env() -> None:
    """Make, list and drop environments, each with its own data.

    ETL_ENV names the environment that every command works in.
    """


@env.command("create")
@click.argument("name")
@click.option(
    "--from",
    "source",
    default="",
    metavar="ENV",
    shell_complete=named("environment"),
    help="Environment to copy. Default: the one described by [etl].",
)
def create(name: str, source: str) -> None:
    """Make the environment NAME, as another one is now."""
    from etl.operations.environments import create as make

    made = make(name, source)
    files = ", ".join(f"{counted(count, 'file')} {how}" for how, count in sorted(made.counts.items()))
    build = f"; build.duckdb {made.build}" if made.build else ""
    echo(f"Made {name} in {made.project.data}: {files or 'there was nothing to copy'}{build}.")
    echo(f"To work there: ETL_ENV={name} etl run")


@env.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List environments, where their data is, and how large."""
    from etl.operations.environments import described

    show(described(), as_json, _show)


def _show(found: list[dict[str, Any]]) -> None:
    names = ("environment", "data", "generation", "size")
    rows = [[*(item[name] for name in names[:-1]), f"{item['bytes'] / 1e6:,.1f} MB"] for item in found]
    show_table(names, rows)


@env.command("drop")
@click.argument("name", shell_complete=named("environment"))
@yes_option
def drop(name: str, yes: bool) -> None:
    """Delete the data of the environment NAME.

    Raw files stay, and all that etl did not make.
    """
    from etl.operations.environments import decisions_of
    from etl.operations.environments import drop as delete

    if not yes:
        count = counted(decisions_of(name), "decision")
        click.confirm(f"Delete all data of {name}, with {count} about rejected records?", abort=True)
    echo(f"Deleted {delete(name)}.")


@under(ENVIRONMENTS)
@click.command()
@click.argument("generation", shell_complete=named("generation"))
@click.option("--by", required=True, metavar="NAME", help="Who approves.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, or what was checked.")
def approve(generation: str, by: str, reason: str) -> None:
    """Approve a generation, so that it may be promoted.

    GENERATION is one of this environment. An environment that asks for approvals takes it when enough people have
    approved it.
    """
    from etl.operations.promotion import approve as record
    from etl.project import load_project

    given = record(load_project(), generation, by, reason)
    echo(f"{given.by} approved {given.generation} at {given.at[:19]}Z: {given.reason}")
