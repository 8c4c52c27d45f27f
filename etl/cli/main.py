"""The `etl` command: run the night, and ask what is there. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import atexit
import gc
import sys

from etl.cli.registry import all_commands, front
from etl.cli.screen import echo
from etl.engine.memory import MORE_MEMORY, is_out_of_memory
from etl.errors import EtlError, StepError, indented, is_full_disk, sentence
from etl.reports.output import lasting_output
from etl.reports.stderr import log_to_stderr


def __getattr__(name: str) -> object:
    """Return `cli`: the `etl` command with all that is below it."""
    if name != "cli":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return all_commands()


def main() -> None:
    """Run the command; an EtlError becomes its message and its exit code, as do a full disk and short memory."""
    # a process that ends has no use for a last look for garbage
    atexit.register(gc.freeze)
    with lasting_output():
        log_to_stderr()
        try:
            front()
        except EtlError as error:
            echo(indented(f"Error: {error}"), err=True)
            sys.exit(error.exit_code)
        except Exception as error:
            if not is_full_disk(error) and not is_out_of_memory(error):
                raise
            remedy = "Make room, and repeat" if is_full_disk(error) else f"{MORE_MEMORY} Then repeat"
            echo(indented(f"Error: {sentence(str(error))} {remedy} the command."), err=True)
            sys.exit(StepError.exit_code)
