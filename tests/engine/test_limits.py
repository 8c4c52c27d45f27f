"""What takes longer than it may is ended: its statement, or the process."""

import subprocess
import sys

import duckdb
import pytest

from etl.engine.limits import ended_after
from etl.errors import TimedOut

HANGS = """
import time, duckdb
from etl.engine import limits
limits._PATIENCE_SECONDS = 0.3
with limits.ended_after(duckdb.connect(), 0.001, "marts.a"):
    time.sleep(600)
"""


def test_a_statement_is_interrupted() -> None:
    with duckdb.connect() as con:
        with (
            pytest.raises(
                TimedOut, match=r"marts\.a takes longer than its timeout_minutes, 0\.001, and was ended\."
            ),
            ended_after(con, 0.001, "marts.a"),
        ):
            con.execute("select sum(a.range * b.range) from range(3000000) as a, range(3000000) as b").fetchall()
        # the connection is as good as before
        assert con.execute("select 1").fetchall() == [(1,)]


def test_what_cannot_be_interrupted_ends_with_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=120)

    assert done.returncode == TimedOut.exit_code == 30
    assert "marts.a takes longer than its timeout_minutes, 0.001" in done.stderr
    assert "so the process was ended" in done.stderr


def test_another_error_is_not_said_to_be_one_of_time() -> None:
    with duckdb.connect() as con, pytest.raises(duckdb.BinderException), ended_after(con, 9, "marts.a"):
        con.execute("select nothing")
