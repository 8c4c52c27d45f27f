"""Workers share what there is to do, and a parent ends when they are gone, and says so; else it waits."""

import subprocess
import sys
from math import ceil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.run.active import active_run, new_run_id
from etl.run.workers import batch_size, memory_share
from tests.support import tiny

CODE = """
import multiprocessing, os, sys, time
from etl.run import workers

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


def test_what_a_lost_worker_has_left_is_removed_at_the_end_of_the_run(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, settings="executor = processes://2")
    run = active_run(project.identity, new_run_id(), None, True)
    left = project.scratch / "job-of-a-lost-worker" / "half.parquet"
    left.parent.mkdir()
    left.touch()
    run.finish()
    assert list(project.scratch.iterdir()) == []


@given(st.lists(st.integers(0, 1_000), min_size=1), st.integers(1, 16))
@example([7] * 27, 2)
@example([365], 2)
def test_sources_are_split_only_as_far_as_it_keeps_the_workers_busy(stale: list[int], workers: int) -> None:
    size = batch_size(stale, workers)
    tasks = [ceil(count / size) for count in stale if count]
    # a process that begins costs as much as a small partition, so there are few beyond one per source
    assert sum(tasks) <= len(tasks) + 2 * workers
    # and no task is so long that the others have nothing to do beside it
    assert size <= max(1, ceil(max(stale) / workers), ceil(sum(stale) / (2 * workers)))


@pytest.mark.parametrize(
    ("stale", "workers", "share"), [([3], 1, "80%"), ([3, 0], 2, "40%"), ([1], 4, "80%"), ([200, 9], 4, "20%")]
)
def test_workers_that_extract_side_by_side_share_the_memory(stale: list[int], workers: int, share: str) -> None:
    assert memory_share(stale, workers) == share
