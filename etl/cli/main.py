"""The `etl` command: run the night, and ask what is there. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import sys

from etl.cli.registry import all_commands
from etl.cli.screen import echo
from etl.errors import EtlError, indented
from etl.reports.output import lasting_output

cli = all_commands()


def main() -> None:
    """Run the command; an EtlError becomes its message and its exit code."""
    with lasting_output():
        try:
            cli()
        except EtlError as error:
            echo(indented(f"Error: {error}"), err=True)
            sys.exit(error.exit_code)
