"""What takes longer than it may is ended: its statement, its code, or the process."""

import signal
import subprocess
import sys
import threading

import duckdb
import pytest

from etl.engine.limits import ended_after
from etl.errors import TimedOut
from tests.support.hangs import HANGS

HANGS_FOR_GOOD = """
import signal, time
from etl.engine import limits
limits._PATIENCE_SECONDS = 0.3
with limits.ended_after(0.001, "marts.a"):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGURG, signal.SIGALRM})
    time.sleep(600)
"""


@pytest.mark.parametrize("how", HANGS)
def test_whatever_hangs_is_ended(how: str) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGURG, signal.SIGALRM)]

    with pytest.raises(TimedOut) as raised, ended_after(0.002, "marts.a", left=lambda: " Left: all."):
        HANGS[how]()

    assert str(raised.value) == (
        "marts.a takes longer than its timeout_minutes, 0.002, and was ended. Left: all. Find out why, or allow "
        "it more, and run again: etl run"
    )
    assert [signal.getsignal(number) for number in (signal.SIGURG, signal.SIGALRM)] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_statement_is_ended_in_any_thread() -> None:
    found: list[BaseException] = []

    def work() -> None:
        try:
            with ended_after(0.002, "marts.a"):
                HANGS["relation"]()
        except TimedOut as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert len(found) == 1


def test_what_cannot_be_interrupted_ends_with_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS_FOR_GOOD], capture_output=True, text=True, timeout=120)

    assert done.returncode == TimedOut.exit_code == 30
    assert "marts.a takes longer than its timeout_minutes, 0.001" in done.stderr
    assert "so the process was ended" in done.stderr


def test_another_error_is_not_said_to_be_one_of_time() -> None:
    with duckdb.connect() as con, pytest.raises(duckdb.BinderException), ended_after(9, "marts.a"):
        con.execute("select nothing")


def test_nothing_is_ended_that_has_no_limit() -> None:
    with pytest.raises(KeyError), ended_after(0, "marts.a"):
        raise KeyError
