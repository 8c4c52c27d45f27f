"""The log of each run as JSON lines in data/logs/<run>.jsonl, beside the text that people read."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.errors import printable_lines
from etl.ledger.ledger import REMOVED, Ledger
from etl.project import Project
from etl.project.files import private
from etl.project.secret import scrubbed

_SUFFIX = ".jsonl"
#: The loggers whose words are those of a run.
_LOGGERS = ("etl", "luigi-interface")


def log_file(project: Project, run_id: str) -> Path:
    """Return where the log of a run is, if it has one."""
    return project.logs / f"{run_id}{_SUFFIX}"


class RunLog(logging.Handler):
    """Writes what a run says as one JSON object a line, each in one write, whichever process says it.

    `doing` tells which step is under way here: step and name. A disk that is full loses lines, and ends no run.
    """

    def __init__(self, project: Project, run_id: str, doing: Callable[[], tuple[str, str]]) -> None:
        super().__init__(logging.INFO)
        self._run_id, self._doing = run_id, doing
        self._file = -1
        with suppress(OSError):
            private(project.logs)
            path = log_file(project, run_id)
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if self._file < 0:
            return
        step, name = self._doing()
        facts: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "run_id": self._run_id,
            "level": record.levelname.lower(),
            "step": step,
            "name": name,
            "pid": record.process,
            "message": scrubbed(printable_lines(record.getMessage())),
        }
        if record.exc_info:
            traceback = logging.Formatter().formatException(record.exc_info)
            facts["traceback"] = scrubbed(printable_lines(traceback))
        line = json.dumps(facts, ensure_ascii=False) + "\n"
        with suppress(OSError):
            os.write(self._file, line.encode("utf-8", "backslashreplace"))

    def note(self, message: str) -> None:
        """Write down what failed, and is said elsewhere."""
        self.emit(logging.makeLogRecord({"levelno": logging.ERROR, "levelname": "ERROR", "msg": message}))

    def close(self) -> None:
        """Write no more."""
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self)
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
        super().close()


def read_log(project: Project, run_id: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a run's log; one that a full disk or a kill has cut off is left out."""
    try:
        lines = log_file(project, run_id).read_text("utf-8", "replace").split("\n")
    except OSError:
        return
    for line in lines:
        with suppress(ValueError):
            facts = json.loads(line)
            if isinstance(facts, dict) and "message" in facts:
                yield facts


def forget_logs(project: Project, run_ids: list[str], since: str, ledger: Ledger) -> None:
    """Delete the logs of runs that the history has forgotten, and older ones that no run of the ledger has."""
    for run_id in run_ids:
        log_file(project, run_id).unlink(missing_ok=True)
    with suppress(OSError):
        first = since[:10].replace("-", "")
        old = [name.removesuffix(_SUFFIX) for name in os.listdir(project.logs) if name[:8] < first]
        known = {run.run_id for run in ledger.runs()} if old else set()
        for run_id in set(old) - known:
            log_file(project, run_id).unlink(missing_ok=True)


def forget_quoted(project: Project, ledger: Ledger) -> None:
    """Remove what quotes tables from the ledger, and the messages of all runs from their logs.

    The text that a schedule has kept of them is emptied. A log is written over in place, since the run under way
    appends to its own.
    """
    ledger.forget_quoted()
    for path in project.logs.iterdir() if project.logs.is_dir() else ():
        if path.suffix == _SUFFIX:
            kept = [{**facts, "message": REMOVED} for facts in read_log(project, path.stem)]
            lines = (json.dumps({key: facts[key] for key in facts if key != "traceback"}) for facts in kept)
            _write_over(path, "".join(f"{line}\n" for line in lines).encode())
        elif path.is_file():
            _write_over(path, b"")


def _write_over(path: Path, text: bytes) -> None:
    """Let a file hold this text, and its place on the disk nothing of what it held."""
    with path.open("r+b") as file:
        file.write(text.ljust(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
        file.truncate(len(text))
