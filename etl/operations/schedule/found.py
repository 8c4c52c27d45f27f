"""What else runs a project by a schedule: lines of crontabs and units, whoever wrote them."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from etl.project import Project

_CRONTABS = (
    "/etc/crontab",
    "/etc/cron.d/*",
    "/etc/cron.daily/*",
    "/etc/anacrontab",
    "/var/spool/cron/crontabs/*",
    "/var/spool/cron/*",
)
_UNITS = ("/etc/systemd/system/*.service", "/usr/lib/systemd/system/*.service", "/run/systemd/system/*.service")
_LONGEST = 1_000_000


@dataclass(frozen=True)
class Found:
    """A line that names the project: in which file, which line, and whether `etl schedule` wrote it."""

    file: str
    line: int
    text: str
    is_own: bool


def elsewhere(project: Project, more: tuple[str, ...] = ()) -> list[Found]:
    """Return the lines of crontabs and units that this user may read, and that name the project's folder."""
    own = os.path.expanduser("~/.config/systemd/user/*.service")
    patterns = (*_CRONTABS, *_UNITS, own, *more)
    paths = dict.fromkeys(path for pattern in patterns for path in sorted(glob.glob(pattern)))
    return [found for path in paths for found in _lines(Path(path), project)]


def _lines(path: Path, project: Project) -> Iterator[Found]:
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST:
            return
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    root = str(project.root)
    names = {
        os.fsencode(text) for text in (root, shlex.quote(root), root.replace("%", "\\%"), root.replace("%", "%%"))
    }
    is_own = path.name.startswith("etl-")
    for number, line in enumerate(lines, 1):
        is_own = line.startswith(b"# BEGIN etl ") or (is_own and not line.startswith(b"# END etl "))
        text = line.strip()
        if not text.startswith((b"#", b"Environment=", b"Description=", b"ReadWritePaths=")) and _names(
            text, names
        ):
            yield Found(str(path), number, text.decode(errors="backslashreplace"), is_own)


def _names(line: bytes, names: set[bytes]) -> bool:
    """Return whether a line names the project's folder, and not one that only begins like it."""
    for name in names:
        start = line.find(name)
        while start >= 0:
            following = line[start + len(name) : start + len(name) + 1]
            if not following or following in b" \t/'\";&|)":
                return True
            start = line.find(name, start + 1)
    return False
