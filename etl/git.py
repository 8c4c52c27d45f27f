"""What git knows of a project's code: the commit it is at, and the files of an earlier one."""

from __future__ import annotations

import subprocess

from etl.project import CONFIG, Project

_SECONDS = 60


def commit_of(project: Project) -> str:
    """Return the commit that the project's folder is at; empty if it is no git repository's."""
    return _git(project, "rev-parse", "HEAD") or ""


def is_committed(project: Project) -> bool:
    """Return whether contracts, SQL and luigi.cfg are as the commit has them; False without git."""
    paths = [str(project.contracts), str(project.sql), str(project.root / CONFIG)]
    return _git(project, "status", "--porcelain", "--", *paths) == ""


def _git(project: Project, *arguments: str) -> str | None:
    """Return what git says, or None if it cannot."""
    command = ["git", "-C", str(project.root), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
