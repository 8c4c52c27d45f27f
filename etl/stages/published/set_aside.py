"""A candidate that is not published: a copy of it is set aside, to be looked at while the next run goes on."""

from __future__ import annotations

import logging
import secrets
import shutil
from pathlib import Path

from etl import engine
from etl.project import Project
from etl.project.files import copy_file, make_read_only, written_aside
from etl.project.others import RAW
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
        before = _beside(project)
        with written_aside(candidate(project), project.scratch) as aside:
            copy_file(project.build, aside)
            _finish(project, aside)
            make_read_only(aside)
        for folder in before:
            shutil.rmtree(folder, ignore_errors=True)
    except (OSError, duckdb.Error) as error:
        log.warning("the candidate could not be set aside: %s", error)


def _finish(project: Project, file: Path) -> None:
    """Let the raw views of a copy of build.duckdb read links to files of the lake, as those that are published."""
    from etl.stages.published.raw_views import publish_views

    with engine.in_memory(project) as con:
        engine.attach_new(project, con, file, _NAME)
        con.execute(f"use {_NAME}")
        publish_views(project, con, candidate(project).parent, f"candidate-{secrets.token_hex(4)}")
        con.execute("use memory")
        con.execute(f"detach {_NAME}")


def _beside(project: Project) -> list[Path]:
    """Return the folders of what raw views of the candidate read that was set aside, whole or not."""
    folder = candidate(project).with_name(RAW)
    return list(folder.iterdir()) if folder.is_dir() else []


def remove_candidate(project: Project) -> None:
    """Remove the candidate that was set aside: what came after it is published."""
    shutil.rmtree(candidate(project).parent, ignore_errors=True)
