"""Installing, showing and removing the schedule of a project."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from etl.errors import ConfigError
from etl.models.seeds import FOLDER
from etl.operations.schedule import crontab, systemd
from etl.operations.schedule.entry import Entry
from etl.operations.schedule.found import elsewhere
from etl.operations.schedule.installed import installed_for
from etl.operations.schedule.noted import note
from etl.operations.schedule.times import machine_zone, next_runs, odd_nights, parsed
from etl.operations.unattended import log_of
from etl.project import Project
from etl.project.days import read_days
from etl.project.git import is_ignored
from etl.project.secret import FILE, read_environment

_SHOWN = 5
_ENVIRONMENT = """\
# What the schedule's runs are given beside their own settings: NAME=value, one a line, taken as it is.
# ETL_NOTIFY=mailtos://user:password@smtp.example.org?to=you@example.org
# ETL_PING_URL=https://hc-ping.com/UUID
# ETL_MASK_KEY=
"""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is known of a project's schedule; `notes` are what its owner should know. Times are ISO 8601."""

    installed: str
    at: str
    days: str
    zone: str
    next_runs: list[str]
    notes: list[str]
    environment: str
    log: str
    elsewhere: list[dict[str, Any]]
    #: The unit of the watch; empty if there is none.
    watch: str


def user_of(name: str) -> str:
    """Return the user of a schedule. Raises ConfigError for one that there is not, or that this user is not."""
    own = pwd.getpwuid(os.geteuid()).pw_name
    if not name or name == own:
        return own
    try:
        pwd.getpwnam(name)
    except KeyError:
        raise ConfigError(
            f"There is no user {name} on this machine. Make one with useradd --system, or name another."
        ) from None
    if os.geteuid():
        raise ConfigError(f"Only root can install a schedule for another user. Run this as {name}, or as root.")
    return name


def install(entry: Entry, *, by_systemd: bool, into: Path | None = None) -> list[str]:
    """Install a schedule, and return what its owner should know.

    Raises ConfigError for times or days that are not, for a user who cannot write the project's data, and what
    cron or systemd refuses; then nothing was changed.
    """
    parsed(entry.at)
    entry.check()
    _check_user(entry)
    said = [_environment_file(entry)]
    if by_systemd:
        typed = systemd.install(entry, machine_zone(), into or systemd.folder())
        said += [f"systemd is not running here. Type on the machine that runs it: {typed}"] if typed else []
    else:
        crontab.install(entry)
    if entry.user in ("", getpass.getuser()):
        # a ledger that is opened for another user might be one that this user cannot use any more
        note(entry.project, entry.user, into)
    return [*filter(None, said), *notes(entry.project, entry.at, machine_zone())]


def install_watch(entry: Entry, into: Path | None = None) -> list[str]:
    """Have a project watched by a service of systemd; return what its owner should know.

    Raises ConfigError for a user who cannot write the project's data, and what systemd refuses.
    """
    entry.check()
    _check_user(entry)
    said = [_environment_file(entry)]
    typed = systemd.install_watch(entry, into or systemd.folder())
    said += [f"systemd is not running here. Type on the machine that runs it: {typed}"] if typed else []
    if find_spec("watchfiles") is None:
        said.append("watchfiles is not installed, so the watch polls. Type: pip install 'etl[watch]'")
    if os.geteuid() and not typed:
        said.append("It ends when you log out, unless you type: loginctl enable-linger")
    return [text for text in said if text]


def remove(project: Project, user: str, into: Path | None = None) -> list[str]:
    """Remove the schedule of a project from cron and systemd; return from which it was removed."""
    entry, found = Entry(project=project, at="", user=user), []
    if shutil.which("crontab", path="/usr/bin:/bin:/usr/local/bin") and crontab.remove(entry):
        found.append(f"the crontab of {user}")
    if systemd.remove(entry, folder := into or systemd.folder()):
        found.append(str(folder))
    if user in ("", getpass.getuser()):
        note(project, user, into)
    return found


def show(project: Project, user: str, into: Path | None = None) -> Shown:
    """Return what is installed for a project, when it runs next, and what else runs it."""
    entry = Entry(project=project, at="", user=user)
    installed, at, days = installed_for(entry, into or systemd.folder())
    unit = (into or systemd.folder()) / systemd.watch_unit(entry)
    zone = machine_zone()
    times = next_runs(at, read_days(days).with_holidays(project.sql / FOLDER), zone, _SHOWN) if at else []
    return Shown(
        installed=installed,
        at=at,
        days=days,
        zone=zone.key,
        next_runs=[time.isoformat(timespec="minutes") for time in times],
        notes=notes(project, at, zone) if at else [],
        environment=_environment_said(project),
        log=str(log_of(project)),
        elsewhere=[asdict(found) for found in elsewhere(project) if not found.is_own],
        watch=str(unit) if unit.exists() else "",
    )


def notes(project: Project, at: str, zone: ZoneInfo) -> list[str]:
    """Return what the owner of a schedule should know of its times."""
    found = list(odd_nights(at, zone))
    if found:
        found.append("A time outside the hours in which clocks are changed has no such nights: --at '10 4 * * *'.")
    if zone.key != project.settings.timezone:
        times = next_runs(at, read_days(""), zone, 1)
        other = ZoneInfo(project.settings.timezone)
        if times and times[0].astimezone(other).date() != times[0].date():
            there = f"{times[0].astimezone(other):%Y-%m-%d %H:%M} in {other.key}"
            found.append(f"{times[0]:%Y-%m-%d %H:%M} here is {there}: the batch date is that of [etl] timezone.")
    return found


def _check_user(entry: Entry) -> None:
    """Raise ConfigError if another user cannot write the project's data, as far as permissions tell."""
    if entry.user in ("", getpass.getuser(), "root") or os.geteuid():
        return
    found = pwd.getpwnam(entry.user)
    data = next(path for path in (entry.project.data, *entry.project.data.parents) if path.exists())
    status = data.stat()
    groups = os.getgrouplist(found.pw_name, found.pw_gid)
    bits = 0o200 if status.st_uid == found.pw_uid else 0o020 if status.st_gid in groups else 0o002
    if not status.st_mode & bits:
        raise ConfigError(f"{entry.user} cannot write to {data}. Give it to that user with chown -R.")


def _environment_file(entry: Entry) -> str:
    """Make etl.env, for its user alone, if it is not there; return what is to be done about it."""
    path = entry.project.root / FILE
    if path.exists():
        read_environment(entry.project.root)
    else:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_ENVIRONMENT)
    if os.geteuid() == 0 and entry.user not in ("", "root"):
        found = pwd.getpwnam(entry.user)
        os.chown(path, found.pw_uid, found.pw_gid)
    if is_ignored(entry.project, path) is False:
        return f"{path} is for secrets, and git would take it. Add {FILE} to .gitignore."
    return ""


def _environment_said(project: Project) -> str:
    path = project.root / FILE
    if not path.is_file():
        return f"{path} is not there"
    try:
        names = sorted(read_environment(project.root))
    except (ConfigError, OSError) as error:
        return str(error)
    return f"{path} sets {', '.join(names) or 'nothing'}"
