"""The runs of a watch: the command that a schedule runs, in a process of its own that outlives the watch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

from etl.errors import Crash
from etl.project import ENVIRONMENT, Project
from etl.run.origin import TRIGGER, WATCH


@dataclass(frozen=True)
class Child:
    """A run that was begun."""

    process: subprocess.Popen[bytes]

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None while it is under way. One that was killed has ended as a crash does."""
        code = self.process.poll()
        return Crash.exit_code if code is not None and code < 0 else code

    def stop(self) -> None:
        """Have it stop: it ends the step under way, and the next run goes on."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)


def begin(project: Project, ended: Callable[[], None]) -> Child:
    """Begin a run as a schedule does; a thread calls `ended` when it is over. Raises OSError if that fails."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "etl", "run", "--unattended"],
        stdin=subprocess.DEVNULL,
        cwd=project.root,
        env=_environment(project),
        # neither Ctrl-C nor a terminal that is closed is meant for it
        start_new_session=True,
    )

    def wait() -> None:
        process.wait()
        ended()

    Thread(target=wait, name="run", daemon=True).start()
    return Child(process)


def _environment(project: Project) -> dict[str, str]:
    named = {ENVIRONMENT: project.environment} if project.environment else {}
    return {**os.environ, "ETL_PROJECT": str(project.root), TRIGGER: WATCH, **named}
