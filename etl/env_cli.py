"""`etl env` and `etl approve`: environments, and what may be promoted between them."""

from __future__ import annotations

import json

import click

from etl.errors import counted
from etl.screen import show_table


@click.group()
def env() -> None:
    """Other places to work in, each with its own data: see ETL_ENV."""


@env.command("create")
@click.argument("name")
@click.option("--from", "source", default="", metavar="ENV", help="Made of which; default: that of [etl].")
def create(name: str, source: str) -> None:
    """Make the environment NAME as another one is now, at next to no cost."""
    from etl.environments import create as make

    made = make(name, source)
    shared = f"{counted(made.linked, 'file')} in common"
    click.echo(
        f"made {name} in {made.project.data}: {shared}, build.duckdb {made.copied}; to work there: ETL_ENV={name}"
    )


@env.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_all(as_json: bool) -> None:
    """List the environments, where their data is, and what they have published."""
    from etl.environments import described
    from etl.project import environments, load_project

    project = load_project(must_exist=False)
    found = [described(load_project(project.root, name)) for name in environments(project)]
    if as_json:
        return click.echo(json.dumps(found, indent=2))
    show_table(list(found[0]), [[str(cell) for cell in item.values()] for item in found])


@env.command("drop")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(name: str, yes: bool) -> None:
    """Delete the data of the environment NAME; raw files are left alone if it shares them."""
    from etl.environments import drop as delete

    if not yes:
        click.confirm(f"delete all data of {name}?", abort=True)
    click.echo(f"deleted {delete(name)}")


@click.command()
@click.argument("generation")
@click.option("--by", required=True, metavar="NAME", help="Who approves.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, or what was looked at.")
def approve(generation: str, by: str, reason: str) -> None:
    """Approve GENERATION of this environment, so that it may be promoted to one that asks for approvals."""
    from etl.project import load_project
    from etl.promotion import approve as record

    given = record(load_project(), generation, by, reason)
    click.echo(f"{given.by} approves {given.generation}")
