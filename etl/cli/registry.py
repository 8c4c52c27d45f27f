"""The commands by what they are for: a module of this folder that declares one with `under()` is all it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TypeVar

import click

import etl.cli

RUN, LOOK, REPAIR, DEVELOP, ENVIRONMENTS = "Run", "Look", "Repair", "Develop", "Environments"
#: In the order in which `etl --help` lists them.
PURPOSES = (RUN, LOOK, REPAIR, DEVELOP, ENVIRONMENTS)

_Command = TypeVar("_Command", bound=click.Command)


class Group(click.Group):
    """A group whose help shows the first sentence of each command whole, on any width."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands below one heading."""
        self._write("Commands", self.commands, formatter)

    def _write(self, heading: str, names: Iterable[str], formatter: click.HelpFormatter) -> None:
        with formatter.section(heading):
            formatter.write_dl([(name, summary(self.commands[name])) for name in sorted(names)])


class _Front(Group):
    """The group of all commands, below a heading for each purpose; to begin one, no other is imported."""

    def __init__(self) -> None:
        help = "Raw files to a published, audited DuckDB warehouse."
        super().__init__("etl", help=help, context_settings={"help_option_names": ["-h", "--help"]})
        self.purposes: dict[str, str] = {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; most are declared in the module of their name."""
        module = cmd_name.replace("-", "_")
        if cmd_name not in self.commands and module.isidentifier() and find_spec(f"etl.cli.{module}"):
            import_module(f"etl.cli.{module}")
        return super().get_command(ctx, cmd_name) or all_commands().commands.get(cmd_name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(all_commands().commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands of each purpose below its name."""
        all_commands()
        for purpose in PURPOSES:
            self._write(purpose, self.of(purpose), formatter)

    def of(self, purpose: str) -> list[str]:
        """Return the names of the commands of a purpose."""
        return [name for name, own in self.purposes.items() if own == purpose]


front = click.version_option(package_name="etl")(_Front())


def under(purpose: str) -> Callable[[_Command], _Command]:
    """Make a command one of `etl`, listed under one of PURPOSES."""

    def added(command: _Command) -> _Command:
        front.add_command(command)
        front.purposes[str(command.name)] = purpose
        return command

    return added


def summary(command: click.Command) -> str:
    """Return what a command does, in the one sentence that its help begins with."""
    return (command.help or "").partition("\n\n")[0].replace("\n", " ").strip()


def all_commands() -> click.Group:
    """Return the `etl` command with the commands of every module in this folder."""
    for module in iter_modules(etl.cli.__path__):
        import_module(f"etl.cli.{module.name}")
    return front
