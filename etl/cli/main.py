"""The `etl` command: run the night, and ask what is there. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import sys

from etl.cli.registry import all_commands
from etl.cli.screen import echo
from etl.errors import EtlError, StepError, indented, is_full_disk, sentence
from etl.reports.output import lasting_output
from etl.reports.stderr import log_to_stderr

cli = all_commands()


def main() -> None:
    """Run the command; an EtlError becomes its message and its exit code, and so does a full disk."""
    with lasting_output():
        log_to_stderr()
        try:
            cli()
        except EtlError as error:
            echo(indented(f"Error: {error}"), err=True)
            sys.exit(error.exit_code)
        except Exception as error:
            if not is_full_disk(error):
                raise
            echo(indented(f"Error: {sentence(str(error))} Make room, and repeat the command."), err=True)
            sys.exit(StepError.exit_code)
