"""A candidate that is not published: a copy of it is set aside, to be looked at while the next run goes on."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from etl.project import Project
from etl.project.files import copy_file, make_read_only, written_aside
from etl.stages.published.switching import FILE

log = logging.getLogger("etl")


def candidate(project: Project) -> Path:
    """Return where the candidate lies that was set aside, if there is one."""
    return project.current.parent / "candidate" / FILE


def set_aside(project: Project) -> None:
    """Copy build.duckdb, which is closed for it, so that nobody who looks at it stops a run.

    If there is no room for it, that is said, and is no error: it can be built again.
    """
    from etl.stages.warehouse import close_build

    close_build(project)
    try:
        with written_aside(candidate(project), project.scratch) as aside:
            copy_file(project.build, aside)
            make_read_only(aside)
    except OSError as error:
        log.warning("the candidate could not be set aside: %s", error)


def remove_candidate(project: Project) -> None:
    """Remove the candidate that was set aside: what came after it is published."""
    shutil.rmtree(candidate(project).parent, ignore_errors=True)
