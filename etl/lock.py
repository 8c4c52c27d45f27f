"""The project's lock: one run, or one command that changes what is published, at a time."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from etl.errors import AlreadyRunning, StepError
from etl.ledger import Ledger, Run, now
from etl.own import claim
from etl.project import Project


def take_lock(project: Project, run_id: str) -> int:
    """Lock the project and return the descriptor; the lock ends when all processes that have it are gone.

    Raises AlreadyRunning that says who holds it, and what claim() raises of a folder that is another one's.
    """
    os.umask(os.umask(0o777) | project.settings.mask)
    try:
        claim(project)
        project.lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(project.lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StepError(f"{error}\nNothing was begun: etl must be able to write to {project.data}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 1000, 0).decode()
        os.close(descriptor)
        raise AlreadyRunning(f"another run of {project.place} is under way: {_holder(holder)}") from None
    text = json.dumps({"run_id": run_id, "pid": os.getpid(), "host": socket.gethostname(), "since": now()})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)
    return descriptor


@contextmanager
def locked(project: Project, what: str) -> Iterator[None]:
    """Hold the project's lock meanwhile, on behalf of a command. Raises AlreadyRunning that says who else does."""
    lock = take_lock(project, what)
    try:
        yield
    finally:
        os.close(lock)


def under_way(ledger: Ledger) -> Run | None:
    """Return the run that is under way on this machine.

    The project's lock is not tried: that could stop a run that begins at the same moment.
    """
    newest = next(iter(ledger.runs()), None)
    is_open = newest is not None and not newest.outcome and newest.pid > 0
    return newest if newest and is_open and _is_alive(newest.pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def _holder(text: str) -> str:
    try:
        who = json.loads(text)
        return f"run {who['run_id']}, process {who['pid']} on {who['host']}, since {who['since']}."
    except (ValueError, KeyError):
        return "it has only just begun."
