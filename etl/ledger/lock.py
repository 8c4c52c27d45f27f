"""The project's lock: one run, or one command that changes what is published, at a time."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import sleep

from etl.errors import AlreadyRunning, StepError, sentence
from etl.ledger import Ledger, Run, now
from etl.project import Project
from etl.project.files import restrict_files
from etl.project.own import claim

#: How long, in seconds, who only asks may have the lock.
_MOMENT = 0.02


def take_lock(project: Project, run_id: str) -> int:
    """Lock the project and return the descriptor; the lock ends when all processes that have it are gone.

    Raises AlreadyRunning that says who holds it, and what claim() raises of a folder that is another one's.
    """
    restrict_files(project.settings.mask)
    try:
        claim(project)
        project.lock.parent.mkdir(parents=True, exist_ok=True)
        # whoever may read a file may lock it, and so keep every run from beginning
        descriptor = os.open(project.lock, os.O_RDWR | os.O_CREAT, 0o600)
        with suppress(PermissionError):
            os.fchmod(descriptor, 0o600)
    except OSError as error:
        said = f"Nothing was begun: etl cannot write to {project.data}. Fix its permissions or the disk."
        raise StepError(f"{said}\n{sentence(str(error))}") from error
    if not _is_taken(descriptor):
        holder = os.pread(descriptor, 1000, 0).decode()
        os.close(descriptor)
        raise AlreadyRunning(_held(project, holder))
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


def under_way(project: Project, ledger: Ledger) -> Run | None:
    """Return the run that is under way: the newest one, if it has the lock."""
    newest = next(iter(ledger.runs()), None)
    if newest is None or newest.outcome:
        return None
    if project.lock.exists() and not os.access(project.lock, os.R_OK):
        # another user's lock cannot be asked
        return newest if _is_alive(newest.pid) else None
    return newest if holder(project) == newest.run_id else None


def holder(project: Project) -> str:
    """Return the id of the run that has the lock, or what the command is called that has it; empty if none has.

    The lock is asked, since a process that was killed says nothing, and its number may be another one's by now.
    """
    try:
        descriptor = os.open(project.lock, os.O_RDONLY)
    except OSError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with suppress(ValueError, KeyError, TypeError):
            return str(json.loads(os.pread(descriptor, 1000, 0))["run_id"])
        return ""
    finally:
        os.close(descriptor)
    return ""


def _is_taken(descriptor: int) -> bool:
    """Take the lock, and return whether that could be done. A command that only asks holds it for a moment."""
    for pause in (*[_MOMENT] * 5, 0):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        sleep(pause)
    return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True


def _held(project: Project, text: str) -> str:
    """Return who holds the lock, by what the last run that had it wrote there."""
    under_way = f"Another run of {project.place} is under way"
    try:
        who = json.loads(text)
        run = f"run {who['run_id']}, process {who['pid']} on {who['host']}, since {who['since']}"
        if who["host"] != socket.gethostname() or _is_alive(who["pid"]):
            return f"{under_way}: {run}. Wait until it is over. To see it: etl status"
    except (ValueError, KeyError, TypeError):
        return f"{under_way}: it has only just begun. To see it: etl status"
    return (
        f"{project.lock} is locked, but its last {run}, is over. Another process still has the file open: a "
        f"worker of that run, or a program that is not etl. To see which: fuser -v {project.lock}"
    )
