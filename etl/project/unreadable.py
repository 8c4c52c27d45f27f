"""A luigi.cfg that Luigi itself cannot read: said with file and line, instead of its traceback."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from etl.errors import ConfigError, indented, printable_lines
from etl.project import CONFIG
from etl.project.settings import parse

#: What the name of a program is that was begun by hand or by cron: the commands, and `python -m`.
_COMMANDS = ("etl", "luigi", "__main__.py", "-m")


def stopped(error: Exception) -> BaseException:
    """Return what says why a luigi.cfg that Luigi read cannot be read: with an exit code, if a command is run."""
    told = ConfigError(f"luigi.cfg cannot be read: {error}")
    given = os.environ.get("LUIGI_CONFIG_PATH")
    for path in (*([Path(given)] if given else []), Path.cwd() / CONFIG, Path("/etc/luigi") / CONFIG):
        try:
            parse(path)
        except ConfigError as found:
            told = found
            break
    if Path(sys.argv[0]).name not in _COMMANDS:
        return told
    print(indented(printable_lines(f"Error: {told}")), file=sys.stderr)
    return SystemExit(told.exit_code)
