"""`etl completion`: commands, options and the names of a project, completed by the shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from etl.cli.registry import DEVELOP, front, under
from etl.cli.screen import print_code


@under(DEVELOP)
@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands in a shell.

    It completes commands and options, and the names of sources, tables, models, generations and environments. For
    bash, put the line `eval "$(etl completion bash)"` into ~/.bashrc. For zsh, put the same with zsh into
    ~/.zshrc. For fish, write the script to ~/.config/fish/completions/etl.fish.
    """
    found = get_completion_class(shell)
    assert found is not None
    print_code(found(front, {}, "etl", "_ETL_COMPLETE").source())
