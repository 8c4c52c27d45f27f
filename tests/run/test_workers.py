"""A parent ends when its workers are gone, and says so; while one lives, or before there was any, it waits."""

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import multiprocessing, os, sys, time
from etl import workers

def work(seconds):
    time.sleep(seconds)

workers._COUNT_SECONDS, workers._PATIENCE_SECONDS = 0.05, 0.3
workers.end_without_workers(lambda: print("gave up", flush=True))
seconds = float(sys.argv[1])
if seconds:
    multiprocessing.get_context("fork").Process(target=work, args=[seconds]).start()
time.sleep(1)
print("waited", flush=True)
os._exit(0)
"""


@pytest.mark.parametrize(
    ("seconds", "code", "said"), [(0.1, 30, "gave up\n"), (5, 0, "waited\n"), (0, 0, "waited\n")]
)
def test_a_parent_ends_without_its_workers(seconds: float, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(seconds)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (code, said), done.stderr
