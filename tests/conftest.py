"""What all tests share: a project of one's own, and no other project found by accident."""

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.browsers import axe, browser
from tests.support.projects import (
    airport,
    compiled,
    flights_project,
    make_project,
    project,
    scheduler,
    shop,
    tools,
    undisturbed,
)
from tests.support.thorough import EVERY, examples, sampled

__all__ = [
    "airport",
    "axe",
    "browser",
    "compiled",
    "flights_project",
    "make_project",
    "project",
    "scheduler",
    "shop",
    "tools",
    "undisturbed",
]

#: Where files are in memory, and how many bytes the suite needs there at most.
MEMORY, NEEDED = "/dev/shm", 4 << 30
# a flush to a disk takes longer than the rest of many a step; no test can tell, since no machine loses its power
if "TMPDIR" not in os.environ and os.path.ismount(MEMORY) and shutil.disk_usage(MEMORY).free > NEEDED:
    os.environ["TMPDIR"], tempfile.tempdir = MEMORY, None

# of a parent that ignores it, as one in the background of a shell does, the nights would too
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# the speed of a machine is no property of the code
settings.register_profile("etl", deadline=None, print_blob=True, max_examples=examples(100))
settings.load_profile("etl")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "sampled: of its cases a third is run, others each time; ETL_TEST_EVERY=1: all"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # whoever names a case wants that one
    if not EVERY and not any("[" in argument for argument in config.args):
        left = sampled(items, config.getoption("randomly_seed", 0))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left])
        items[:] = [item for item in items if item.nodeid not in left]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    seed = config.getoption("randomly_seed", 0)
    if not EVERY:
        terminalreporter.write_line(f"chosen by --randomly-seed={seed}; ETL_TEST_EVERY=1 runs every case")


@pytest.fixture(autouse=True)
def _no_project_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETL_PROJECT", raising=False)
    monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
    monkeypatch.delenv("ETL_ENV", raising=False)


#: How the garbage of a process is collected, and how many more open files tell that it was not for a while.
COLLECTING, MORE_FILES = gc.get_threshold(), 200
#: How many files were open when it was collected here last.
_open = [0]


@pytest.fixture(autouse=True)
def _no_files_left_open() -> Iterator[None]:
    """Collect as any other process does, though this one does the nights of hundreds of projects."""
    yield
    if gc.get_threshold() != COLLECTING:
        gc.set_threshold(*COLLECTING)
    if _files() > _open[0] + MORE_FILES:
        gc.unfreeze()
        gc.collect()
        _open[0] = _files()


def _files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
