"""The lock: who has it is told, and nobody who may only read the data can keep a run from beginning."""

import fcntl
import json
import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl.errors import AlreadyRunning
from etl.ledger.lock import take_lock
from etl.project import Project
from tests.support import tiny


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.project(tmp_path)


@contextmanager
def locked_elsewhere(project: Project) -> Iterator[None]:
    """Have another process, which is no run, hold the lock."""
    descriptor = os.open(project.lock, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(descriptor)


def ended() -> int:
    """Return the id of a process that is over."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def test_who_may_only_read_cannot_lock(project: Project) -> None:
    project.lock.touch(mode=0o644)
    os.close(take_lock(project, "a night"))
    assert stat.S_IMODE(project.lock.stat().st_mode) == 0o600


def test_a_run_that_is_over_is_not_said_to_be_under_way(project: Project) -> None:
    os.close(take_lock(project, "a night"))
    text = {**json.loads(project.lock.read_text()), "pid": ended()}
    project.lock.write_text(json.dumps(text))
    with locked_elsewhere(project), pytest.raises(AlreadyRunning, match=r"run a night, .* is over.*fuser -v"):
        take_lock(project, "the next")


@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
def test_a_run_under_way_is_named(project: Project, host: str) -> None:
    os.close(take_lock(project, "a night"))
    text = {**json.loads(project.lock.read_text()), "host": host}
    project.lock.write_text(json.dumps(text))
    with locked_elsewhere(project), pytest.raises(AlreadyRunning, match="is under way: run a night"):
        take_lock(project, "the next")
