"""A luigi.cfg that Luigi itself cannot read: said with file and line, instead of its traceback."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from etl.errors import ConfigError, indented, printable_lines, sentence
from etl.project import CONFIG
from etl.project.settings import parse

#: The names of programs that are started by hand or by cron: the commands, and `python -m`.
_COMMANDS = ("etl", "luigi", "__main__.py", "-m")
#: What such a program is asked for that begins a night.
_NIGHTS = {"Nightly", "Backfill", "run"}


def is_command() -> bool:
    """Return whether this process is a command, and not somebody's own program that imports etl."""
    name = Path(sys.argv[0]).name
    # luigi-deps, luigi-grep and the like
    return name in _COMMANDS or name.startswith("luigi-")


def is_etl() -> bool:
    """Return whether this process is the `etl` command, or a module of etl that `python -m` runs."""
    name, words = Path(sys.argv[0]).name, sys.orig_argv
    is_module = name == "-m" and "-m" in words
    return name == "etl" or (is_module and words[words.index("-m") + 1].split(".")[0] == "etl")


def is_run() -> bool:
    """Return whether this process is a command that begins a night."""
    return is_command() and not _NIGHTS.isdisjoint(sys.argv[1:])


def explained(error: Exception) -> ConfigError:
    """Return the error of a luigi.cfg that Luigi cannot read."""
    told = ConfigError(f"luigi.cfg cannot be read: {sentence(str(error))}")
    given = os.environ.get("LUIGI_CONFIG_PATH")
    for path in (*([Path(given)] if given else []), Path.cwd() / CONFIG, Path("/etc/luigi") / CONFIG):
        try:
            parse(path)
        except ConfigError as found:
            told = found
            break
    return told


def stopped(told: ConfigError) -> BaseException:
    """Return what is to be raised for it: an exit with its message, if a command is run."""
    if not is_command():
        return told
    print(indented(printable_lines(f"Error: {told}")), file=sys.stderr)
    return SystemExit(told.exit_code)
