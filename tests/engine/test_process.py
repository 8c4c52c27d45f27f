"""A program that is run to its end ends with all that it has begun, and with whoever waits for it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from etl.engine.process import run_to_end

#: It has begun another process, and says so when both are there.
TWO = 'sleep 600 & echo "$$ $!" > pids.aside; mv pids.aside pids; wait'
#: Whoever waits for it, in a process of its own.
WAITING = """
import sys
from pathlib import Path
from etl.engine import process
folder = Path(sys.argv[1])
process._PATIENCE_SECONDS = 1
process.run_to_end(["sh", "-c", sys.argv[2]], folder, {"PATH": sys.argv[3]}, folder / "out", folder / "err")
"""


def run(folder: Path, script: str) -> int:
    environment = {"PATH": os.environ["PATH"], "GIVEN": "this"}
    return run_to_end(["sh", "-c", script], folder, environment, folder / "out", folder / "err")


def pids(folder: Path) -> list[int]:
    while not (folder / "pids").exists():
        time.sleep(0.01)
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def lives(pid: int) -> bool:
    """Return whether a process does something yet; one that nobody has asked for is over."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def wait_for_end(*pids: int) -> None:
    while any(map(lives, pids)):
        time.sleep(0.01)


@pytest.mark.parametrize(("script", "code"), [("true", 0), ("exit 7", 7), ("kill -KILL $$", -signal.SIGKILL)])
def test_how_it_ended_is_returned(tmp_path: Path, script: str, code: int) -> None:
    assert run(tmp_path, script) == code


def test_it_has_its_folder_its_environment_and_no_input(tmp_path: Path) -> None:
    assert run(tmp_path, "pwd; echo $GIVEN $HOME; cat; echo but >&2") == 0
    assert (tmp_path / "out").read_text() == f"{tmp_path}\nthis\n"
    assert (tmp_path / "err").read_text() == "but\n"


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run_to_end(["no-such-program"], tmp_path, {}, tmp_path / "out", tmp_path / "err")


def test_what_it_has_begun_ends_with_it(tmp_path: Path) -> None:
    assert run(tmp_path, TWO.replace("wait", "true")) == 0
    wait_for_end(*pids(tmp_path))


@pytest.mark.parametrize("script", [TWO, f"trap '' TERM; {TWO}"], ids=["heeds", "ignores"])
def test_it_ends_if_whoever_waits_for_it_is_killed(tmp_path: Path, script: str) -> None:
    with subprocess.Popen([sys.executable, "-c", WAITING, str(tmp_path), script, os.environ["PATH"]]) as waiting:
        found = pids(tmp_path)
        assert all(map(lives, found))
        waiting.kill()
    wait_for_end(*found)


class Interrupted(BaseException):
    pass


def test_it_ends_if_it_is_not_waited_for_any_longer(tmp_path: Path) -> None:
    found: list[int] = []

    def interrupt(*_: object) -> None:
        raise Interrupted

    def when_it_runs() -> None:
        found.extend(pids(tmp_path))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)

    before, thread = signal.signal(signal.SIGUSR2, interrupt), threading.Thread(target=when_it_runs)
    try:
        thread.start()
        with pytest.raises(Interrupted):
            run(tmp_path, TWO)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR2, before)
    wait_for_end(*found)
