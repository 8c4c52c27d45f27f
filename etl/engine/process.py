"""A program that is run to its end, and that ends with what started it, with all that it has begun itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

#: What is asked to end has so many seconds.
_PATIENCE_SECONDS = 5
#: It leads the group that the program is in. Its standard input ends when this process is gone, however that ends.
_GUARD = "trap '' TERM; read line; kill -TERM 0; sleep $0; kill -KILL 0"


def run_to_end(words: Sequence[str], folder: Path, environment: Mapping[str, str], out: Path, err: Path) -> int:
    """Run a program in a folder; return its exit code, or the number of the signal that ended it, below 0.

    Its output goes to two files. All that it has begun is ended with it; and if this process is killed, or does
    not wait for it any longer, it is asked to end by SIGTERM, and ended by SIGKILL. Raises OSError if there is no
    such program.
    """
    # no word of the project's goes through a shell
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, str(_PATIENCE_SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    program: subprocess.Popen[bytes] | None = None
    try:
        with out.open("wb") as outs, err.open("wb") as errs:
            program = subprocess.Popen(
                list(words),
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=outs,
                stderr=errs,
                process_group=guard.pid,
            )
        return program.wait()
    except BaseException:
        # a container is told by whoever has started it
        _end(program, guard.pid)
        raise
    finally:
        _kill(guard.pid)
        assert guard.stdin
        guard.stdin.close()
        guard.wait()
        if program:
            program.wait()


def _end(program: subprocess.Popen[bytes] | None, group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        if program:
            program.wait(_PATIENCE_SECONDS)


def _kill(group: int) -> None:
    # the guard is waited for after this only: nothing else can have its number
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
