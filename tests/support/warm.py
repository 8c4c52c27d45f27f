"""Processes that begin with Python's modules in memory: a night as cron would run it, without a second of imports.

One process imports what a night imports, does nothing else, and forks for each one that is to start: a process
with an id, a session, children, signals and an exit code of its own. What a night imports by itself is for tests
that start one cold.
"""

import atexit
import gc
import importlib
import json
import os
import re
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

LIBRARIES = (
    "duckdb",
    "pandas",
    "pandera.pandas",
    "pyarrow.parquet",
    "luigi.cmdline",
    "etl.cli.main",
    "etl.run.steps",
)
#: After so many seconds a process hangs, on however busy a machine.
PATIENCE = 300.0
#: What reads the configuration of the folder that it is imported in: each process imports it for itself.
CONFIGURED = re.compile(r"luigi(\..*)?|etl(\.tasks(\..*)?)?")


class Process:
    """What subprocess.Popen tells of a process; its output, of both streams, is text."""

    def __init__(self, connection: socket.socket, output: int) -> None:
        self.connection, self.stdout = connection, os.fdopen(output, "rb")
        self.pid = int(connection.recv(100))
        self.returncode: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code when it has ended; that of a signal is negative."""
        if self.returncode is None:
            self.connection.settimeout(timeout)
            try:
                self.returncode = int(self.connection.recv(100))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self.connection.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def communicate(self, timeout: float = PATIENCE) -> tuple[str, None]:
        """Return its output when all that have it have ended."""
        end, found, waiting = time.monotonic() + timeout, [], select.poll()
        waiting.register(self.stdout, select.POLLIN)
        while waiting.poll(max(end - time.monotonic(), 0) * 1000):
            if not (part := self.stdout.read1()):
                break
            found.append(part)
        else:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        self.stdout.close()
        self.wait(max(end - time.monotonic(), 0.1))
        return b"".join(found).decode(), None

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def start(arguments: list[str], cwd: Path, env: dict[str, str]) -> Process:
    """Start `python ARGUMENTS` (`-m MODULE ...`, or `FILE ...`) as the leader of a session of its own."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.connect(_address())
    read, write = os.pipe()
    wanted = {"arguments": arguments, "cwd": str(cwd), "env": env}
    socket.send_fds(connection, [json.dumps(wanted).encode()], [write])
    os.close(write)
    return Process(connection, read)


def run(arguments: list[str], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` to its end; both streams are its stdout."""
    process = start(arguments, cwd, env)
    output, _ = process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess(arguments, process.returncode, output)


@cache
def _address() -> str:
    """Start the process that forks, which ends with this one, and return where it listens."""
    folder = tempfile.mkdtemp(prefix="warm")
    command = [sys.executable, __file__, f"{folder}/socket"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(shutil.rmtree, folder)
    atexit.register(server.communicate)
    assert server.stdout is not None and server.stdout.readline() == b"ready\n"
    return f"{folder}/socket"


def serve(address: str) -> None:
    """Fork for each that connects, until the one that started this ends."""
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in filter(CONFIGURED.fullmatch, list(sys.modules)):
        del sys.modules[name]
    # what is there already is not looked at in each fork, which would copy it
    gc.freeze()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(address)
    listening.listen()
    print("ready", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while listening in select.select([listening, sys.stdin], [], [])[0]:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            return attend(connection)
        connection.close()


def attend(connection: socket.socket) -> None:
    """Fork what was asked for, and tell its id and its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, (output,), *_ = socket.recv_fds(connection, 1 << 20, 1)
    pid = os.fork()
    if pid == 0:
        connection.close()
        return be(output=output, **json.loads(message))
    os.close(output)
    connection.send(str(pid).encode())
    connection.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os._exit(0)


def be(arguments: list[str], cwd: str, env: dict[str, str], output: int) -> None:
    """Be the process that was asked for; what it raises, such as SystemExit, ends it as it would."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    is_module = arguments[0] == "-m"
    sys.argv = arguments[is_module:]
    sys.path[:1] = [cwd if is_module else os.path.dirname(arguments[0]), *env["PYTHONPATH"].split(os.pathsep)]
    try:
        if is_module:
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
        end(0)
    except SystemExit as asked:
        end(asked.code)


def end(code: object) -> None:
    """End this process as sys.exit does, but without a look at every object that was imported."""
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else code is not None)


if __name__ == "__main__":
    serve(sys.argv[1])
