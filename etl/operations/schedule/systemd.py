"""A timer and a service of systemd, for a night as a user that may do little else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from etl.errors import ConfigError, sentence
from etl.operations.schedule.entry import Entry
from etl.operations.schedule.times import on_calendar
from etl.project.files import write_file
from etl.reports.metrics import metrics_file

#: Where the units of the machine lie, and those of a user.
SYSTEM, USER = Path("/etc/systemd/system"), Path("systemd/user")
_SECONDS = 60
#: Longer than that no night takes; without it a service of this type may take for ever.
_LONGEST = "23h"

_HARDENED = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
"""


def folder(user_units: bool | None = None) -> Path:
    """Return where units are written: those of the machine for root, those of the user else."""
    if os.geteuid() == 0 if user_units is None else not user_units:
        return SYSTEM
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / USER


def watch_unit(entry: Entry) -> str:
    """Return the name of the service that keeps a project watched."""
    return f"etl-{entry.id}-watch.service"


def watch_service(entry: Entry) -> str:
    """Return the text of the service that keeps a project watched; a run under way outlives it."""
    is_system = os.geteuid() == 0
    lines = [
        "# by etl schedule install --watch; etl schedule remove takes it out",
        "[Unit]",
        f"Description=The watch of {_specified(str(entry.project.root))}",
        # it never gives up: what is wrong may be corrected
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        *_owned(entry, [sys.executable, "-P", "-m", "etl", "watch"]),
        "Restart=always",
        "RestartSec=10",
        "# a run that it has begun goes on when it is stopped or begun again",
        "KillMode=process",
        "UMask=0027",
        *_limited(entry),
        "[Install]",
        f"WantedBy={'multi-user' if is_system else 'default'}.target",
        "",
    ]
    return "\n".join(lines)


def install_watch(entry: Entry, into: Path) -> str:
    """Write the service that keeps a project watched, and start it; return what is to be typed without systemd.

    Raises ConfigError if it cannot be written.
    """
    _write({watch_unit(entry): watch_service(entry)}, into)
    # one that runs already has read the units of before
    return _started(["daemon-reload"], ["enable", watch_unit(entry)], ["restart", watch_unit(entry)])


def units(entry: Entry, zone: ZoneInfo) -> dict[str, str]:
    """Return the texts of the two units of a schedule, by their names."""
    name, root = f"etl-{entry.id}", entry.project.root
    service = [
        "# by etl schedule install; etl schedule remove takes it out",
        f"# at: {entry.at}",
        "[Unit]",
        f"Description=The night of {_specified(str(root))}",
        "",
        "[Service]",
        "Type=oneshot",
        *_owned(entry, entry.command),
        f"TimeoutStartSec={_LONGEST}",
        "UMask=0027",
        "Nice=10",
        "IOSchedulingClass=best-effort",
        "IOSchedulingPriority=7",
        *_limited(entry),
    ]
    times = [f"OnCalendar={text}" for text in on_calendar(entry.at, zone)]
    timer = [
        "# by etl schedule install; etl schedule remove takes it out",
        "[Unit]",
        f"Description=When the night of {_specified(str(root))} runs",
        "",
        "[Timer]",
        *times,
        "# a night that was missed, since the machine was off, runs when it is on again",
        "Persistent=true",
        "AccuracySec=1s",
        "",
        "[Install]",
        "WantedBy=timers.target",
        "",
    ]
    return {f"{name}.service": "\n".join(service), f"{name}.timer": "\n".join(timer)}


def _owned(entry: Entry, command: list[str]) -> list[str]:
    """Return the lines that say who runs what, and with which variables."""
    return [
        *([f"User={entry.user}"] if os.geteuid() == 0 else []),
        *(f"Environment={_quoted(f'{key}={value}')}" for key, value in entry.environment.items()),
        "ExecStart=" + " ".join(_quoted(word, is_command=True) for word in command),
    ]


def _limited(entry: Entry) -> list[str]:
    """Return the lines that let a service do little else than to work on its project."""
    if os.geteuid():
        # the rest needs rights that the manager of a user does not have
        return ["NoNewPrivileges=yes", ""]
    root, metrics = entry.project.root, metrics_file(entry.project)
    written = [entry.project.data, *([metrics.parent] if metrics else [])]
    places = [str(root), *(f"-{place}" for place in written if not place.is_relative_to(root))]
    homes = ("/home", "/root", "/run/user")
    needed = (str(root), str(entry.project.data), sys.prefix, os.path.realpath(sys.executable))
    home = "read-only" if any(place.startswith(homes) for place in needed) else "yes"
    return [f"ProtectHome={home}", "ReadWritePaths=" + " ".join(map(_quoted, places)), _HARDENED]


def install(entry: Entry, zone: ZoneInfo, into: Path) -> str:
    """Write the units of a schedule, and start its timer; return what is to be typed if systemd is not there.

    Raises ConfigError if systemd refuses the times, or the units cannot be written.
    """
    for text in on_calendar(entry.at, zone):
        _check_calendar(text)
    made = units(entry, zone)
    _write(made, into)
    timer = next(name for name in made if name.endswith(".timer"))
    return _started(["daemon-reload"], ["enable", "--now", timer])


def _write(made: Mapping[str, str], into: Path) -> None:
    try:
        into.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            write_file(into / name, text)
            (into / name).chmod(0o644)
    except OSError as error:
        raise ConfigError(
            f"{into} cannot be written: {error.strerror}. Run this as root, or name a folder with --into."
        ) from error


def remove(entry: Entry, into: Path) -> bool:
    """Stop the timer and the watch of a project and delete their units; return whether there were any."""
    names = (f"etl-{entry.id}.timer", watch_unit(entry), f"etl-{entry.id}.service")
    there = [into / name for name in names if (into / name).exists()]
    if not there:
        return False
    for path in there:
        if path.name in names[:2]:
            _started(["disable", "--now", path.name])
    for path in there:
        path.unlink()
    _started(["daemon-reload"])
    return True


def _started(*commands: list[str]) -> str:
    """Tell systemd to do something; return the commands that somebody is to type if it is not there."""
    program = ["systemctl"] if os.geteuid() == 0 else ["systemctl", "--user"]
    typed = " && ".join(" ".join([*program, *command]) for command in commands)
    if shutil.which("systemctl") is None or not Path("/run/systemd/system").is_dir():
        return typed
    for command in commands:
        done = subprocess.run([*program, *command], capture_output=True, text=True, timeout=_SECONDS, check=False)
        if done.returncode:
            raise ConfigError(
                f"{' '.join([*program, *command])} failed. {sentence(done.stderr.strip() or 'See journalctl')}"
            )
    return ""


def _check_calendar(text: str) -> None:
    if shutil.which("systemd-analyze") is None:
        return
    command = ["systemd-analyze", "calendar", text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise ConfigError(f"The time {text} is not one that systemd knows. {sentence(done.stderr.strip())}")


def _specified(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str, *, is_command: bool = False) -> str:
    """Return a word as a unit has it; in a command, a dollar sign would begin a variable."""
    text = _specified(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text.replace("$", "$$") if is_command else text}"'
