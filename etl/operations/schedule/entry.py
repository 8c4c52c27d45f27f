"""What a schedule runs, and how it is written where no shell may take it apart."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from etl.errors import ConfigError, printable, sentence
from etl.models.seeds import FOLDER
from etl.project import ENVIRONMENT, Project
from etl.project.days import read_days

_PATH = "/usr/local/bin:/usr/bin:/bin"
#: What a line of cron, or of a unit, cannot hold at all.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_BREAKS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One schedule of a project: when, on which days, as which user, and to whom cron sends what is printed."""

    project: Project
    at: str
    days: str = ""
    user: str = ""
    mailto: str = ""

    @property
    def id(self) -> str:
        """What names the schedule of a project and its environment in crontabs and units."""
        return hashlib.sha256(os.fsencode(self.project.identity)).hexdigest()[:12]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it sets: all else is up to etl.env."""
        found = {"ETL_PROJECT": str(self.project.root), "PATH": f"{Path(sys.executable).parent}:{_PATH}"}
        return found | ({ENVIRONMENT: self.project.environment} if self.project.environment else {})

    @property
    def command(self) -> list[str]:
        """The program and its arguments, by its whole path."""
        days = ["--days", self.days] if self.days else []
        return [sys.executable, "-P", "-m", "etl", "run", "--unattended", *days]

    def check(self) -> None:
        """Raise ConfigError for days that are not days, and for a path that no line can hold."""
        check_days(self.project, self.days)
        for text in (str(self.project.root), sys.executable):
            if _BREAKS.search(text) or not _is_utf8(text):
                raise ConfigError(
                    f"{printable(text)} holds a character that no schedule can have: a control character, or a "
                    "byte that is not UTF-8. Rename the folder."
                )

    def crontab_line(self) -> str:
        """Return the line of a crontab. Whatever shell reads it, it is one command with quoted words."""
        sets = [f"{name}={value}" for name, value in self.environment.items()]
        words = ["/usr/bin/env", *sets, *self.command]
        # in a crontab, a percent sign is the end of the line
        return f"{_numbered(self.at)} {shlex.join(words)}".replace("%", "\\%")


def check_days(project: Project, words: str) -> None:
    """Raise ConfigError for words that mean no days, and for a list of holidays that cannot be read."""
    try:
        read_days(words).with_holidays(project.sql / FOLDER)
    except ValueError as error:
        raise ConfigError(f"What --days says, {words!r}, {sentence(str(error))}") from None


def _numbered(at: str) -> str:
    """Return five fields of cron with numbers in the place of names, which not every cron takes in lists."""
    *first, month, week = at.lower().split()
    month = re.sub("|".join(_MONTHS), lambda found: str(_MONTHS.index(found[0]) + 1), month)
    week = re.sub("|".join(_DAYS), lambda found: str(_DAYS.index(found[0])), week)
    return " ".join([*first, month, week])


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
