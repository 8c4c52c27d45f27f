"""What Luigi must be told before it runs anything of ours, whatever luigi.cfg says or whether there is one."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from typing import Any, Protocol

from etl.errors import AlreadyRunning, EtlError, printable_lines
from etl.project import CONFIG, find_root, has_option, load_project
from etl.project.unreadable import is_command
from etl.reports.output import keep_output
from etl.reports.stderr import log_to_stderr

log = logging.getLogger("etl")

#: Luigi's own are 0 for everything but a crash.
EXIT_CODES = {
    "already_running": 10,
    "missing_data": 20,
    "not_run": 25,
    "task_failed": 30,
    "scheduling_error": 35,
    "unhandled_exception": 40,
}


class Config(Protocol):
    """What is used of Luigi's configuration."""

    def set(self, section: str, option: str, value: str) -> Any:
        """Override an option."""

    def has_option(self, section: str, option: str) -> bool:
        """Return whether a luigi.cfg has the option."""


def configure(config: Config, add_config_path: Callable[[str], object]) -> None:
    """Set exit codes, completeness checks and logging; read the project's luigi.cfg from any cwd."""
    if is_command():
        keep_output()
    _read_project_config(add_config_path)
    for name, code in EXIT_CODES.items():
        config.set("retcode", name, str(code))
    config.set("worker", "check_complete_on_run", "true")
    # our lock is per project; Luigi's is per command line, and would stop another project
    config.set("core", "no_lock", "true")
    # a pool of processes that plan would each begin a run of their own
    config.set("core", "parallel_scheduling", "false")
    # a worker that waits for what failed to be tried again is a night that does not end
    config.set("worker", "keep_alive", "false")
    if not _wants_server():
        config.set("core", "local_scheduler", "true")
    if not config.has_option("core", "log_level"):
        config.set("core", "log_level", "ERROR")
    logging.getLogger("luigi-interface").addFilter(_is_news)
    log_to_stderr()


@contextmanager
def saying(already_running: type[SystemExit], what: str = "the run cannot begin") -> Iterator[None]:
    """Say why `what`: of a run that cannot be planned Luigi only warns, and its warnings are not shown.

    `already_running` is what tells Luigi that another one is under way.
    """
    try:
        yield
    except AlreadyRunning as error:
        log.error("%s", error)
        raise already_running from None
    except EtlError as error:
        log.error("%s: %s", what, error)
        raise
    except Exception:
        log.exception("%s. This is a fault of etl. Please report it with this traceback.", what)
        raise


def exit_as_crash(has_crashed: Callable[[], bool]) -> None:
    """At the end of this process, exit with 40 if `has_crashed`: of a task that failed, Luigi asks no reason.

    What is registered later, such as the end of the run, is done before.
    """
    owner = os.getpid()

    def end() -> None:
        if os.getpid() == owner and has_crashed():
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            # the only way to change the code of an interpreter that ends
            os._exit(EXIT_CODES["unhandled_exception"])

    atexit.register(end)


def exit_as_stopped(kind: type[BaseException]) -> None:
    """Let an error of this kind, which says that a run was asked to stop, end the process without a traceback."""
    before, owner = sys.excepthook, os.getpid()

    def say(raised: type[BaseException], error: BaseException, trace: Any) -> None:
        if not isinstance(error, kind) or os.getpid() != owner:
            before(raised, error, trace)
            return
        # what runs as at the end of any process ends the run, which says so
        atexit._run_exitfuncs()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(error.exit_code)  # type: ignore[attr-defined]

    sys.excepthook = say


def default_root() -> str:
    """Return the root of the project, or an empty text: the first complete() says why, with an exit code."""
    try:
        return str(find_root())
    except EtlError:
        return ""


def default_project() -> str:
    """Return what names the project, or an empty text: the first complete() says why, with an exit code."""
    try:
        return load_project().identity
    except EtlError:
        return ""


def default_date() -> date:
    """Return today in the project's time zone; in the machine's, if there is no project that could be loaded."""
    try:
        return load_project().today()
    except EtlError:
        return date.today()


def _read_project_config(add_config_path: Callable[[str], object]) -> None:
    # last, so that no other folder's settings override it
    with suppress(EtlError):  # said when a task needs the project
        add_config_path(str(find_root() / CONFIG))


def _wants_server() -> bool:
    """Return whether the command line, or the project's own luigi.cfg, speaks of a scheduler."""
    if any(argument.startswith("--scheduler-") for argument in sys.argv):
        return True
    with suppress(EtlError):
        return has_option(find_root() / CONFIG, "core", "local_scheduler")
    return False


def _is_news(record: logging.LogRecord) -> bool:
    """Return False for what the step that failed has said already, without a traceback; all else is printable."""
    if record.exc_info and isinstance(record.exc_info[1], EtlError):
        return False
    record.msg, record.args = printable_lines(record.getMessage()), ()
    if record.exc_info:
        record.exc_text = printable_lines(logging.Formatter().formatException(record.exc_info))
    return True
