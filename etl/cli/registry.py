"""The commands by what they are for: a module of this folder that declares one with `under()` is all it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
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
    """The group of all commands, below a heading for each purpose."""

    def __init__(self) -> None:
        help = "Raw files to a published, audited DuckDB warehouse."
        super().__init__("etl", help=help, context_settings={"help_option_names": ["-h", "--help"]})
        self.purposes: dict[str, str] = {}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands of each purpose below its name."""
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
