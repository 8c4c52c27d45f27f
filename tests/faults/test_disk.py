"""A disk that is full, read-only or fails to read: one message, what was published stays, and then it goes on."""

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.faults import assert_as, assert_whole, disturbed
from tests.support import projects

pytestmark = pytest.mark.sampled

CORRECTION = "1|2018-05-27|book|Doha, Qatar\n"


def mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@pytest.fixture
def on_a_small_disk(project: Any) -> Iterator[Any]:
    """The orders, never run, with their data on a disk of 600 KB."""
    aside = project.data.rename(project.root / "aside")
    project.data.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=600k", "tmpfs", str(project.data)):
        pytest.skip("only root can mount a disk of its own")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", str(project.data)], check=True)
        yield project
    finally:
        subprocess.run(["umount", str(project.data)], check=True)


def resize(project: Any, options: str) -> None:
    assert mount("-o", f"remount,{options}", str(project.data))


def test_a_disk_that_fills_up_fails_the_night_with_one_message(on_a_small_disk: Any, undisturbed: Any) -> None:
    night = on_a_small_disk.nightly()

    assert night.exit_code == 30, str(night)
    assert "make room" in night.output and "Traceback" not in night.output
    assert night.output.count("failed: ") == 1
    resize(on_a_small_disk, "size=60m")
    assert_whole(on_a_small_disk, undisturbed.orders)
    told = on_a_small_disk.ledger("select run_id, outcome from runs order by run_id")
    assert [outcome for _, outcome in told] in (["failed", "published"], ["killed", "published"]), told
    failed = on_a_small_disk.ledger(f"select outcome, message from steps where run_id = '{told[0][0]}'")
    assert {outcome for outcome, _ in failed} & {"failed", "killed"}, failed


def test_a_disk_that_is_too_small_for_the_night_is_noticed_before_it(on_a_small_disk: Any) -> None:
    resize(on_a_small_disk, "size=60m")
    on_a_small_disk.published()
    before = on_a_small_disk.content()
    on_a_small_disk.deliver("orders/2018-05-27.psv", CORRECTION)
    used = sum(path.stat().st_blocks * 512 for path in on_a_small_disk.data.rglob("*") if not path.is_symlink())
    resize(on_a_small_disk, f"size={used // 1024 + 200}k")

    night = on_a_small_disk.nightly()

    assert night.exit_code == 35, str(night)
    assert "Nothing was begun. Make room" in night.output
    assert on_a_small_disk.content() == before
    resize(on_a_small_disk, "size=60m")
    on_a_small_disk.published()


def test_a_disk_that_is_read_only_is_named(on_a_small_disk: Any, undisturbed: Any) -> None:
    resize(on_a_small_disk, "size=60m")
    on_a_small_disk.published()
    on_a_small_disk.deliver("orders/2018-05-27.psv", CORRECTION)
    resize(on_a_small_disk, "ro")

    night = on_a_small_disk.nightly()

    assert night.exit_code in (30, 35), str(night)
    assert "ead-only" in night.output or "readonly" in night.output, str(night)
    assert "Traceback" not in night.output
    assert on_a_small_disk.content() == undisturbed.orders
    resize(on_a_small_disk, "rw")
    on_a_small_disk.published()
    assert on_a_small_disk.content() != undisturbed.orders


@pytest.fixture(scope="module")
def effects(compiled: Any, tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """The side effects of a first night, in order."""
    project = projects.make(tmp_path_factory.mktemp("effects"))
    shutil.copy(compiled(False), project.data / "ledger.sqlite")
    return disturbed(project, projects)[1]


@pytest.mark.parametrize("reads", ["file_digest", "pread"])
def test_a_delivery_that_cannot_be_read_is_named(
    project: Any, effects: list[list[Any]], undisturbed: Any, tools: Any, reads: str
) -> None:
    at = next(row[0] for row in effects if row[1] == reads)

    done, _ = disturbed(project, tools, at=at, do="fail", errno=errno.EPERM)

    assert done.returncode in (30, 35), done.stdout
    assert os.strerror(errno.EPERM) in done.stdout
    assert "Traceback" not in done.stdout
    assert_whole(project, undisturbed.orders)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("lake/orders/.*", errno.ENOSPC),
        ("warehouse/generations/.new/generation.json", errno.EROFS),
        ("warehouse/current", errno.ENOSPC),
    ],
)
def test_a_write_that_fails_fails_the_night_and_no_more(
    project: Any, effects: list[list[Any]], undisturbed: Any, tools: Any, what: str, code: int
) -> None:
    at = next(row[0] for row in effects if re.fullmatch(what, row[2]))

    done, _ = disturbed(project, tools, at=at, do="fail", errno=code)

    assert done.returncode == 30, done.stdout
    assert "Traceback" not in done.stdout
    assert not Path(project.warehouse).exists()
    assert_whole(project, undisturbed.orders)


@pytest.mark.parametrize("what", ["lake/orders/.*", "warehouse/generations/.new/generation.json"])
def test_a_write_that_fails_for_once_fails_no_night(
    project: Any, effects: list[list[Any]], undisturbed: Any, tools: Any, what: str
) -> None:
    at = next(row[0] for row in effects if re.fullmatch(what, row[2]))

    done, _ = disturbed(project, tools, at=at, do="fail", errno=errno.EIO)

    assert done.returncode == 0, done.stdout
    assert os.strerror(errno.EIO) in done.stdout
    assert "It is tried again in" in done.stdout
    assert_as(project, undisturbed.orders)
