"""Processes of this machine: `processes://4`. Each is a Python of its own, as a worker elsewhere is."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from etl.errors import StepError, sentence

#: So often a job is given to another process if the one that did it is gone.
_TRIES = 3


@dataclass
class Processes:
    """So many processes, begun when there is work for them, which wait for more until the host is closed."""

    count: int
    _idle: queue.SimpleQueue[subprocess.Popen[str]] = field(default_factory=queue.SimpleQueue)

    def run(self, jobs: Sequence[str]) -> Iterator[str]:
        """Yield the answer of each job as it comes; a process that is lost is replaced."""
        waiting: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
        answers: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()
        for job in jobs:
            waiting.put((1, job))
        for _ in range(min(self.count, len(jobs))):
            threading.Thread(target=self._serve, args=(waiting, answers), daemon=True).start()
        for _ in jobs:
            answer = answers.get()
            if isinstance(answer, Exception):
                raise answer
            yield answer

    def close(self) -> None:
        """End the processes that wait."""
        with suppress(queue.Empty):
            while True:
                _end(self._idle.get_nowait())

    def start(self) -> subprocess.Popen[str]:
        """Return a process that waits for jobs."""
        # standard error is that of this process, so that what libraries print is seen
        command, pipe = [sys.executable, "-m", "etl.run.jobs.worker"], subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")

    def _serve(
        self, waiting: queue.SimpleQueue[tuple[int, str]], answers: queue.SimpleQueue[str | Exception]
    ) -> None:
        """Give one process job after job, until none waits."""
        process: subprocess.Popen[str] | None = None
        while True:
            try:
                tried, job = waiting.get_nowait()
            except queue.Empty:
                break
            try:
                process = process or self._waiting() or self.start()
            except OSError as error:
                answers.put(
                    StepError(f"A worker of processes://{self.count} cannot be started: {sentence(str(error))}")
                )
                continue
            if answer := _asked(process, job):
                answers.put(answer)
                continue
            code, process = _end(process), None
            if tried == _TRIES:
                lost = f"A worker of processes://{self.count} ended in a job {tried} times (exit code {code})."
                answers.put(StepError(f"{lost} Is there enough memory?"))
            else:
                waiting.put((tried + 1, job))
        if process:
            self._idle.put(process)

    def _waiting(self) -> subprocess.Popen[str] | None:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return None


def _asked(process: subprocess.Popen[str], job: str) -> str:
    """Return the answer of a process; empty if it is gone."""
    assert process.stdin and process.stdout
    try:
        process.stdin.write(f"{job}\n")
        process.stdin.flush()
        return process.stdout.readline()
    except (OSError, ValueError):
        return ""


def _end(process: subprocess.Popen[str]) -> int:
    """Let a process end, or wait until one that is lost is gone; return its exit code."""
    assert process.stdin and process.stdout
    with suppress(OSError):
        # what it has not read is of use to nobody
        process.stdin.close()
    code = process.wait()
    process.stdout.close()
    return code


def open_host(url: str) -> Processes:
    """Return the host with an address such as `processes://4`."""
    return Processes(int(url.removeprefix("processes://")))
