"""Installing and removing a schedule, killed before any of its side effects: each unit is whole, or not there."""

import multiprocessing
import os
import signal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from etl.operations.schedule import systemd
from etl.operations.schedule.entry import Entry
from etl.project import load_project
from tests.support import tiny
from tests.support.kills import kill_before

MOST = 60


def entry_of(root: str, at: str) -> Entry:
    return Entry(project=load_project(root), at=at, user="nobody")


def is_killed(root: Path, into: Path, at: str, before: int) -> bool:
    """Install a schedule for `at`, or remove it if that is empty, in a process that is killed on its way."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_do, args=(str(root), str(into), at, before))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _do(root: str, into: str, at: str, before: int) -> None:
    entry = entry_of(root, at)
    kill_before(before, into)
    if at:
        systemd.install(entry, ZoneInfo("UTC"), Path(into))
    else:
        systemd.remove(entry, Path(into))
    os._exit(0)


def units(into: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in into.iterdir() if path.suffix in (".service", ".timer")}


@pytest.mark.parametrize("at", ["30 5 * * *", ""], ids=["install", "remove"])
def test_each_unit_is_the_one_before_or_the_one_after_and_the_next_try_does_the_rest(tmp_path, at) -> None:
    root, into, other = tmp_path / "shop", tmp_path / "units", "[Service]\n"
    tiny.project(root)
    systemd.install(entry_of(str(root), "10 4 * * *"), ZoneInfo("UTC"), into)
    (into / "other.service").write_text(other)
    before = units(into)
    systemd.install(entry_of(str(root), "30 5 * * *"), ZoneInfo("UTC"), tmp_path / "after")
    after = units(tmp_path / "after") if at else {}

    for number in range(1, MOST):
        for name, text in before.items():
            (into / name).write_text(text)
        was_killed = is_killed(root, into, at, number)

        for name, text in units(into).items():
            assert text in (before[name], after.get(name)), name
        if not was_killed:
            break
        assert not is_killed(root, into, at, MOST)
        assert units(into) == {**after, "other.service": other}
    assert 2 < number < MOST - 1
    assert units(into) == {**after, "other.service": other}
    assert {path.name for path in into.iterdir()} == {*after, "other.service"}
