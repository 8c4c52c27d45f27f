"""What git knows of a project's code: the commit it is at, and the files of an earlier one."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from etl.errors import ConfigError
from etl.project import CONFIG, Project

_SECONDS = 60
#: The mode of a submodule among the entries of a commit.
_SUBMODULE = "160000"
#: Names the commit of a copy without git, as an image is; with `-dirty` behind it, not all was committed.
COMMIT = "ETL_COMMIT"
_COMMIT = re.compile(r"([0-9a-f]{7,64})(-dirty)?")


def commit_of(project: Project) -> str:
    """Return the commit that the project's folder is at, as git says, or else ETL_COMMIT; or an empty text."""
    return _git(project, "rev-parse", "HEAD") or (found[1] if (found := _said()) else "")


def is_committed(project: Project) -> bool:
    """Return whether contracts, SQL, ml/ and luigi.cfg are as the commit has them; False if nobody knows."""
    if _git(project, "rev-parse", "HEAD") is None and (found := _said()):
        return found[2] is None
    paths = [str(project.contracts), str(project.sql), str(project.ml), str(project.root / CONFIG)]
    return _git(project, "status", "--porcelain", "--", *paths) == ""


def is_ignored(project: Project, path: Path) -> bool | None:
    """Return whether git leaves a file of the project out; None without git."""
    if _git(project, "rev-parse", "--is-inside-work-tree") != "true":
        return None
    return _git(project, "check-ignore", "--quiet", "--", str(path)) is not None


def check_out(project: Project, commit: str, folder: Path) -> None:
    """Put the project's files, as a commit has them, into an empty folder, submodules too; data/ is left out.

    Raises ConfigError if git does not know the commit, or that of a submodule, or cannot be asked.
    """
    data = [] if Path(project.settings.data).is_absolute() else [f":(exclude){project.settings.data}"]
    _extract(project.root, commit, folder, *data)


def _extract(root: Path, commit: str, folder: Path, *exclude: str) -> None:
    archive = _run(root, "archive", "--format=tar", commit, "--", ".", *exclude)
    entries = _run(root, "ls-tree", "-r", "-z", commit)
    if archive is None or entries is None:
        raise ConfigError(
            f"The commit {commit} is not in the git repository of {root}. Fetch it, or use a copy of the "
            "repository that has it."
        )
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    for entry in filter(None, os.fsdecode(entries).split("\0")):
        facts, _, name = entry.partition("\t")
        if facts.startswith(_SUBMODULE) and (folder / name).is_dir():
            _extract(root / name, facts.split()[2], folder / name)


def _said() -> re.Match[str] | None:
    """Return what ETL_COMMIT says; None if that is not a commit."""
    return _COMMIT.fullmatch(os.environ.get(COMMIT, "").strip())


def _git(project: Project, *arguments: str) -> str | None:
    """Return what git says, as text, or None if it cannot."""
    said = _run(project.root, *arguments)
    return None if said is None else said.decode(errors="replace").strip()


def _run(root: Path, *arguments: str) -> bytes | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout if found.returncode == 0 else None
