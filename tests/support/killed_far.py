"""What is done with objects, killed before one of its side effects, in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from etl.project import load_project
from etl.run import jobs
from etl.run.jobs.shared.objects import Shared
from tests.support.kills import kill_before


def is_killed(what: Callable[[str], object], given: str, below: str, before: int) -> bool:
    """Do something of what follows, killed before its side effect of that number; return whether it has so many.

    Those are what it does to files below a folder, and what it sends.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "tests.run.jobs.shared.conftest"])
    process = context.Process(target=_run, args=(what, given, below, before, dict(os.environ)))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def order(text: str, below: str) -> None:
    """Do an order, as a worker that has its temporary files below a folder."""
    tempfile.tempdir = os.environ["TMPDIR"] = below
    jobs.run_job(text)


def extraction(root: str) -> None:
    """Take all deliveries of a shop, as a run."""
    import pytest

    from tests.run.jobs.shared.conftest import Shop

    Shop(load_project(root), pytest.MonkeyPatch()).extract()


def _run(
    what: Callable[[str], object], given: str, below: str, before: int, environment: Mapping[str, str]
) -> None:
    # the server was started in the environment of another test
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    send: Any = Shared.send

    def counted(shared: Shared, *arguments: Any) -> None:
        # the hook counts it as what it is here: an effect
        sys.audit("os.mkdir", below)
        send(shared, *arguments)

    pytest.MonkeyPatch().setattr(Shared, "send", counted)
    kill_before(before, below)
    what(given)
    os._exit(0)
