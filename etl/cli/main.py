"""The `etl` command: run the night, and ask what is there. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import sys

import click

from etl.cli.audits import audits
from etl.cli.clear import clear
from etl.cli.diff import diff
from etl.cli.env import approve, env
from etl.cli.generations import generations, reproduce, rollback
from etl.cli.init import init
from etl.cli.lineage import lineage
from etl.cli.plan import plan
from etl.cli.purge import purge
from etl.cli.quarantine import quarantine
from etl.cli.run import run
from etl.cli.screen import echo
from etl.cli.sniff import sniff
from etl.cli.sql import sql
from etl.cli.status import status
from etl.errors import EtlError, indented


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="etl")
def cli() -> None:
    """Raw files to a published, audited DuckDB warehouse."""


cli.add_command(run)
cli.add_command(status)
cli.add_command(sql)
cli.add_command(sniff)
cli.add_command(init)
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
cli.add_command(clear)
cli.add_command(lineage)


def main() -> None:
    """Run the command; an EtlError becomes its message and its exit code."""
    try:
        cli()
    except EtlError as error:
        echo(indented(f"Error: {error}"), err=True)
        sys.exit(error.exit_code)
