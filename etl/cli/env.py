"""`etl env` and `etl approve`: environments, and what may be promoted between them."""

from __future__ import annotations

import click

from etl.cli.screen import echo, print_json, show_table
from etl.errors import counted


@click.group()
def env() -> None:
    """Other places to work in, each with its own data: see ETL_ENV."""


@env.command("create")
@click.argument("name")
@click.option("--from", "source", default="", metavar="ENV", help="Made of which; default: that of [etl].")
def create(name: str, source: str) -> None:
    """Make the environment NAME as another one is now, at next to no cost."""
    from etl.operations.environments import create as make

    made = make(name, source)
    files = ", ".join(f"{counted(count, 'file')} {how}" for how, count in sorted(made.counts.items()))
    build = f"; build.duckdb {made.build}" if made.build else ""
    echo(f"made {name} in {made.project.data}: {files or 'nothing was there yet'}{build}")
    echo(f"to work there: ETL_ENV={name} luigi --module etl Nightly")


@env.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_all(as_json: bool) -> None:
    """List the environments: where their data is, how large, and what they have published."""
    from etl.operations.environments import described

    found = described()
    if as_json:
        return print_json(found, indent=2)
    names = ("environment", "data", "generation", "size")
    rows = [[*(item[name] for name in names[:-1]), f"{item['bytes'] / 1e6:,.1f} MB"] for item in found]
    show_table(names, rows)


@env.command("drop")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(name: str, yes: bool) -> None:
    """Delete the data of the environment NAME, but for raw files in it; nothing that etl did not make."""
    from etl.operations.environments import decisions_of
    from etl.operations.environments import drop as delete

    if not yes:
        count = counted(decisions_of(name), "decision")
        click.confirm(f"delete all data of {name}, {count} about rejected records included?", abort=True)
    echo(f"deleted {delete(name)}")


@click.command()
@click.argument("generation")
@click.option("--by", required=True, metavar="NAME", help="Who approves.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, or what was looked at.")
def approve(generation: str, by: str, reason: str) -> None:
    """Approve GENERATION of this environment, so that it may be promoted to one that asks for approvals."""
    from etl.operations.promotion import approve as record
    from etl.project import load_project

    given = record(load_project(), generation, by, reason)
    echo(f"{given.by} approves {given.generation} since {given.at[:19]}Z: {given.reason}")
