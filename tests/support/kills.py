"""A fetch that is killed in a process of its own: before one of its side effects, or after a while."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from datetime import date
from typing import Any

from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.project import Project
from etl.stages import fetched
from tests.support import tiny


def is_killed(project: Project, name: str, day: date, at: int, seconds: float | None = None) -> bool:
    """Fetch a source in a process that never asked before, and is killed; return whether it came so far.

    It is killed before its side effect of this number, and after so many seconds. It is forked from a process that
    has asked nobody: threads of a library do not survive a fork.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_fetch, args=(str(project.root), name, day, at, dict(os.environ)))
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def kill_before(at: int, data: str) -> None:
    """Have this process killed before its next side effects below a folder, but for the first so many less one."""
    left = [at]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        is_written = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        is_effect = is_written or event in ("os.rename", "os.remove", "os.chmod", "os.mkdir", "os.rmdir")
        if is_effect and str(arguments[0]).startswith(data):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _fetch(root: str, name: str, day: date, at: int, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    project = tiny.load_project(root)
    source = definitions(project, Ledger(project.ledger))[0].sources[name]
    try:
        kill_before(at, str(project.data))
        fetched.fetch(project, source, day)
    except Exception as error:
        print(f"a fetch that nobody killed has failed: {error}", flush=True)
    finally:
        os._exit(0)
