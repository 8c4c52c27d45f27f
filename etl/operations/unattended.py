"""A run that a schedule began: nobody sets its variables, reads its output, or sees that it was killed."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from etl.errors import AlreadyRunning, EtlError, printable_lines
from etl.ledger import Ledger
from etl.ledger.lock import take_lock
from etl.models.seeds import FOLDER
from etl.operations.schedule.entry import check_days
from etl.operations.schedule.noted import note_again
from etl.project import Project, find_root, load_project
from etl.project.days import read_days
from etl.project.secret import use_environment
from etl.run import telling
from etl.run.origin import TRIGGER, WATCH

_NICE = 10
#: A log that is longer is begun again at the next run, and so many earlier ones are kept.
_LONGEST_LOG, _KEPT_LOGS = 5_000_000, 5
#: So much of the end of a log is printed when a run failed, for the mail that cron sends.
_PRINTED = 4_000
_KILLED = 40
_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def unattended(work: Callable[[], None], days: str = "") -> int:
    """Do what `work` does in a process of its own, and return its exit code; nothing is printed if that is 0.

    The variables of etl.env are set, files are made with the permissions that luigi.cfg says whatever the umask
    is, and the output goes to data/logs/unattended.log. Of a process that was killed somebody is told at once. On
    a day that is not one of `days` nothing is done. Raises ConfigError for an etl.env or days that are wrong.
    """
    # also where luigi.cfg cannot be read: who is to be told of that is in there
    try:
        use_environment(Path(os.environ.get("ETL_PROJECT") or find_root()))
    except EtlError as error:
        # what is set already may say whom to tell
        telling.not_begun("", "", error, None, is_whole=True)
        raise
    try:
        project = load_project()
    except EtlError:
        # the run says so, and tells it
        return _waited(work, None)[0]
    os.umask(project.settings.mask)
    if os.environ.get(TRIGGER) != WATCH:
        # nobody waits for a night
        _be_nice()
    log = _opened_log(project)
    try:
        return _logged(work, project, log, days)
    finally:
        if log:
            log.close()


def _logged(work: Callable[[], None], project: Project, log: BinaryIO | None, days: str) -> int:
    if days and not _is_meant(project, days):
        _write(log, f"{project.today()} is not one of the days of the schedule ({days}): nothing is run")
        _ping_idle(project)
        return 0
    # in a container the user may have no name, and no schedule either
    with suppress(KeyError):
        note_again(project, pwd.getpwuid(os.geteuid()).pw_name)
    start = log.tell() if log else 0
    _write(log, "the schedule begins a run")
    code, killed_by = _waited(work, log)
    if killed_by:
        _write(log, f"the run was killed by {signal.Signals(killed_by).name}")
        _tell_killed(project)
    if code and log:
        _print_end(log, start)
    return code


def _waited(work: Callable[[], None], log: BinaryIO | None) -> tuple[int, int]:
    """Do the work in a child, and return its exit code, and the signal that killed it or 0."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _work(work, log)
    for number in _FORWARDED:
        signal.signal(number, lambda number, _: _forward(child, number))
    _, status = os.waitpid(child, 0)
    killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return (_KILLED if killed_by else os.waitstatus_to_exitcode(status)), killed_by


def _work(work: Callable[[], None], log: BinaryIO | None) -> None:
    """In the child: do the work, and end as a process does that did nothing else."""
    code: object = 0
    try:
        if log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        work()
    except SystemExit as asked:
        code = asked.code
    except EtlError as error:
        print(f"Error: {printable_lines(str(error))}", file=sys.stderr)
        code = error.exit_code
    except BaseException:
        traceback.print_exc()
        code = _KILLED
    # what has been registered runs as at the end of any process
    with suppress(Exception):
        atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _forward(child: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, number)


def _be_nice() -> None:
    """Let others go first: with the processor, and with the disk if the machine has a program for that."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    if program := shutil.which("ionice"):
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [program, "-c", "2", "-n", "7", "-p", str(os.getpid())], capture_output=True, timeout=10
            )


def log_of(project: Project) -> Path:
    """Return the log of runs that a schedule began."""
    return project.logs / "unattended.log"


def _opened_log(project: Project) -> BinaryIO | None:
    """Open the log, begun again if it is long; None if it cannot be written, and then all is printed."""
    path = log_of(project)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists() and path.stat().st_size > _LONGEST_LOG:
            for number in range(_KEPT_LOGS - 1, 0, -1):
                with suppress(FileNotFoundError):
                    path.with_name(f"{path.name}.{number}").replace(path.with_name(f"{path.name}.{number + 1}"))
            path.replace(path.with_name(f"{path.name}.1"))
        log = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b", buffering=0)
        log.seek(0, os.SEEK_END)
    except OSError as error:
        print(f"{path} cannot be written: {error.strerror}. What the run says follows here.", file=sys.stderr)
        return None
    return log


def _write(log: BinaryIO | None, text: str) -> None:
    line = f"{datetime.now().astimezone().isoformat(timespec='seconds')} {text}\n"
    with suppress(OSError):
        if log:
            log.write(line.encode("utf-8", "backslashreplace"))
        elif "nothing is run" not in text:
            print(line, end="", file=sys.stderr)


def _print_end(log: BinaryIO, start: int) -> None:
    """Print what this run has said, or the end of it: cron sends it to whoever has its mail."""
    size = os.fstat(log.fileno()).st_size
    text = os.pread(log.fileno(), _PRINTED, max(start, size - _PRINTED)).decode("utf-8", "replace")
    print(text, end="" if text.endswith("\n") else "\n", flush=True)


def _is_meant(project: Project, days: str) -> bool:
    check_days(project, days)
    return project.today() in read_days(days).with_holidays(project.sql / FOLDER)


def _ping_idle(project: Project) -> None:
    from etl.reports.notices import ping

    ping.ping(ping.SUCCESS, f"{project.today()}", "not a day of the schedule")


def _tell_killed(project: Project) -> None:
    """Note that a run was killed, and tell of it, unless another one has begun already, which does."""
    from etl.run import planned

    try:
        lock = take_lock(project, "")
    except (AlreadyRunning, EtlError):
        return
    try:
        ledger = Ledger(project.ledger)
        if killed := ledger.unfinished():
            planned.end_earlier(project, ledger, killed)
            telling.tell_killed(project, ledger, killed[0])
    except EtlError as error:
        print(f"Nobody is told: {error}", file=sys.stderr)
    finally:
        os.close(lock)
