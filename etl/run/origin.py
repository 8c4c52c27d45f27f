"""Where a run comes from: its id, who or what began it and how, and the versions that it runs with."""

from __future__ import annotations

import getpass
import os
import re
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from etl.errors import printable
from etl.ledger.history import RunFacts
from etl.project import Project
from etl.project.secret import scrubbed

#: Says what begins a run, for what cannot be told from the process, such as `webhook` or `watch`.
TRIGGER = "ETL_TRIGGER"
#: What a run that `etl watch` begins says.
WATCH = "watch"
#: What began a run, by the names of the processes above it.
_ABOVE = {"cron": "cron", "crond": "cron", "anacron": "cron", "atd": "at", "systemd": "systemd"}
#: So many processes above this one are asked for their names.
_MOST_ABOVE = 12
#: Names of options whose values are nobody's to read.
_SECRET = re.compile(r"passw|secret|token|credential|(api|access|private|mask)[_-]?key|auth", re.IGNORECASE)
#: The password in a URL.
_IN_URL = re.compile(r"(?<=://)([^/@:\s]*):[^@/\s]+(?=@)")
_MASK = "***"
_LONGEST_TRIGGER = 40


def new_run_id() -> str:
    """Return an id that sorts by time: UTC to the millisecond, and four hex digits against a tie."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"[:-3] + f"Z-{secrets.token_hex(2)}"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide what a run does."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("etl", "luigi", "duckdb", "pandera"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def origin_of(project: Project, run_id: str) -> RunFacts:
    """Return who or what began a run of this process, how, and where."""
    return RunFacts(
        run_id=run_id,
        trigger=trigger_of(os.environ),
        command=command_of(sys.argv, os.environ),
        user=_user(),
        host=os.uname().nodename,
        environment=project.environment_name,
    )


def trigger_of(environment: Mapping[str, str]) -> str:
    """Return what began this process: what ETL_TRIGGER says, else `person` at a terminal, `cron`, `systemd` ...

    `program` is what is none of those that are known.
    """
    if said := environment.get(TRIGGER, "").strip():
        return printable(said)[:_LONGEST_TRIGGER]
    if any(map(_is_terminal, range(3))):
        return "person"
    if "KUBERNETES_SERVICE_HOST" in environment:
        return "kubernetes"
    if environment.get("CI", "").lower() in ("1", "true"):
        return "ci"
    # every service has systemd above it, which also starts cron and the sessions of people
    for name in _names_above():
        if found := _ABOVE.get(name):
            return found if found != "systemd" or "INVOCATION_ID" in environment else "program"
    return "program"


def command_of(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return a command line as it was typed, without the secrets in options, in addresses and of variables."""
    path = Path(arguments[0]) if arguments else Path("python")
    program = path.parent.name if path.name == "__main__.py" else path.name
    found, is_value = [program], False
    for argument in arguments[1:]:
        option, mark, _ = argument.partition("=")
        is_secret = option.startswith("-") and _SECRET.search(option) is not None
        if is_value or (is_secret and mark):
            argument = _MASK if is_value else f"{option}={_MASK}"
        is_value = is_secret and not mark and not is_value
        found.append(_IN_URL.sub(rf"\1:{_MASK}", scrubbed(argument, environment)))
    # a shell would quote the mask
    return printable(" ".join(text if _MASK in text else shlex.quote(text) for text in found))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _names_above() -> Iterator[str]:
    """Yield the names of the processes above this one, the nearest first; none where there is no /proc."""
    pid = os.getppid()
    for _ in range(_MOST_ABOVE):
        try:
            name, _, rest = (
                Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").partition("(")[2].rpartition(")")
            )
        except OSError:
            return
        yield name
        pid = int(rest.split()[1])
        if pid == 0:
            return
