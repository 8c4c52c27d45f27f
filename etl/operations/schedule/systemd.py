"""A timer and a service of systemd, for a night as a user that may do little else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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


def units(entry: Entry, zone: ZoneInfo) -> dict[str, str]:
    """Return the texts of the two units of a schedule, by their names."""
    name, root = f"etl-{entry.id}", entry.project.root
    data = entry.project.data
    metrics = metrics_file(entry.project)
    written = [data, *([metrics.parent] if metrics else [])]
    places = [str(root), *(f"-{place}" for place in written if not place.is_relative_to(root))]
    is_system = os.geteuid() == 0
    homes = ("/home", "/root", "/run/user")
    needed = (str(root), str(entry.project.data), sys.prefix, os.path.realpath(sys.executable))
    home = "read-only" if any(place.startswith(homes) for place in needed) else "yes"
    service = [
        "# by etl schedule install; etl schedule remove takes it out",
        f"# at: {entry.at}",
        "[Unit]",
        f"Description=The night of {_specified(str(root))}",
        "",
        "[Service]",
        "Type=oneshot",
        *([f"User={entry.user}"] if is_system else []),
        *(f"Environment={_quoted(f'{key}={value}')}" for key, value in entry.environment.items()),
        "ExecStart=" + " ".join(_quoted(word, is_command=True) for word in entry.command),
        f"TimeoutStartSec={_LONGEST}",
        "UMask=0027",
        "Nice=10",
        "IOSchedulingClass=best-effort",
        "IOSchedulingPriority=7",
        # the rest needs rights that the manager of a user does not have
        *(_hardened(home, places) if is_system else ["NoNewPrivileges=yes", ""]),
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


def _hardened(home: str, places: list[str]) -> list[str]:
    return [f"ProtectHome={home}", "ReadWritePaths=" + " ".join(map(_quoted, places)), _HARDENED]


def install(entry: Entry, zone: ZoneInfo, into: Path) -> str:
    """Write the units of a schedule, and start its timer; return what is to be typed if systemd is not there.

    Raises ConfigError if systemd refuses the times, or the units cannot be written.
    """
    for text in on_calendar(entry.at, zone):
        _check_calendar(text)
    made = units(entry, zone)
    try:
        into.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            write_file(into / name, text)
            (into / name).chmod(0o644)
    except OSError as error:
        raise ConfigError(
            f"{into} cannot be written: {error.strerror}. Run this as root, or use --cron."
        ) from error
    timer = next(name for name in made if name.endswith(".timer"))
    return _started(["daemon-reload"], ["enable", "--now", timer])


def remove(entry: Entry, into: Path) -> bool:
    """Stop the timer of a schedule and delete its units; return whether there were any."""
    paths = [into / f"etl-{entry.id}.timer", into / f"etl-{entry.id}.service"]
    there = [path for path in paths if path.exists()]
    if not there:
        return False
    _started(["disable", "--now", paths[0].name])
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
