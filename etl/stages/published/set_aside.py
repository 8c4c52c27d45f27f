"""A candidate that is not published: a copy of it is set aside, to be looked at while the next run goes on."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from etl import engine
from etl.project import Project
from etl.project.files import copy_file, make_read_only, written_aside
from etl.stages.published.switching import FILE

log = logging.getLogger("etl")

#: The catalog name of the copy while it is finished.
_NAME = "candidate"


def candidate(project: Project) -> Path:
    """Return where the candidate lies that was set aside, if there is one."""
    return project.current.parent / "candidate" / FILE


def set_aside(project: Project) -> None:
    """Copy build.duckdb, which is closed for it, so that nobody who looks at it stops a run.

    If there is no room for it, that is said, and is no error: it can be built again.
    """
    import duckdb

    from etl.stages.warehouse import close_build

    close_build(project)
    try:
        with written_aside(candidate(project), project.scratch) as aside:
            copy_file(project.build, aside)
            _finish(project, aside)
            make_read_only(aside)
    except (OSError, duckdb.Error) as error:
        log.warning("the candidate could not be set aside: %s", error)


def _finish(project: Project, file: Path) -> None:
    """Take from a copy of build.duckdb what reads other files, as from what is published."""
    from etl.stages.warehouse import leave_out_views

    with engine.in_memory(project) as con:
        engine.attach_new(project, con, file, _NAME)
        con.execute(f"use {_NAME}")
        leave_out_views(con)
        con.execute("use memory")
        con.execute(f"detach {_NAME}")


def remove_candidate(project: Project) -> None:
    """Remove the candidate that was set aside: what came after it is published."""
    shutil.rmtree(candidate(project).parent, ignore_errors=True)
