"""A job that is killed before one of its side effects, in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal

from etl.project import Project
from etl.run import jobs
from tests.support.kills import kill_before


def is_killed(text: str, project: Project, before: int) -> bool:
    """Do a job, killed before its side effect of that number; return whether it has so many."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run, args=(text, str(project.data), before))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _run(text: str, data: str, before: int) -> None:
    kill_before(before, data)
    jobs.run_job(text)
    os._exit(0)
