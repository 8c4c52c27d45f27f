"""What a worker has fetched is kept for a day, or until a disk is full, and proved before it is used again."""

import hashlib
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from etl.errors import StepError
from etl.run.jobs.shared import cache
from etl.run.jobs.shared.objects import Shared
from tests.faults.test_disk import mount

#: Longer than a day ago.
OLD = 25 * 3600


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what a worker keeps."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "home/etl/objects"


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    (tmp_path / "place").mkdir()
    return Shared(f"file://{tmp_path}/place", "jobs/shop")


def sent(shared: Shared, *contents: bytes) -> list[str]:
    """Make objects; return their names."""
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    for hashed, content in zip(hashes, contents, strict=True):
        shared.place.write(f"{shared.folder}/{hashed}", content)
    return hashes


def age(path: Path) -> None:
    os.utime(path, times=(time.time() - OLD,) * 2)


def names(kept: Path) -> set[str]:
    return {path.name for path in kept.iterdir()}


def test_what_no_job_has_read_for_a_day_goes(shared: Shared, kept: Path, tmp_path: Path) -> None:
    hashes = sent(shared, b"a", b"b", b"c")
    for hashed in hashes:
        assert cache.receive(shared, hashed, tmp_path / hashed) == ""
    cache.tidy()
    assert names(kept) == {*hashes}
    for hashed in hashes[:2]:
        age(kept / hashed)
    shared.delete(hashes)
    # it is there still, and read now
    assert cache.receive(shared, hashes[0], tmp_path / "again") == ""
    cache.tidy()
    assert names(kept) == {hashes[0], hashes[2]}
    # a job that reads it now has a link of its own
    assert (tmp_path / hashes[1]).read_bytes() == b"b"


def other(held: Path) -> None:
    held.write_bytes(b"B")


def shorter(held: Path) -> None:
    held.write_bytes(b"")


def folder(held: Path) -> None:
    held.unlink()
    held.mkdir()


def leads_nowhere(held: Path) -> None:
    held.unlink()
    held.symlink_to("nowhere")


@pytest.mark.parametrize("damage", [other, shorter, folder, leads_nowhere])
def test_what_is_damaged_is_fetched_again(
    shared: Shared, kept: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    (hashed,) = sent(shared, b"b")
    assert cache.receive(shared, hashed, tmp_path / "first") == ""
    damage(kept / hashed)
    target = tmp_path / "job/parts/a"
    assert cache.receive(shared, hashed, target) == ""
    assert target.read_bytes() == b"b"
    if damage is not folder:
        assert (kept / hashed).read_bytes() == b"b"
        damage(kept / hashed)
    target.unlink()
    shared.delete([hashed])
    assert cache.receive(shared, hashed, target).endswith("is not there any more.")
    assert not target.exists()
    assert names(kept) <= {hashed}


def test_workers_at_once_are_in_nobodys_way(shared: Shared, kept: Path, tmp_path: Path) -> None:
    contents = [bytes([number]) * 1000 for number in range(3)]
    hashes, wrong = sent(shared, *contents), []

    def work(worker: int) -> None:
        chance = random.Random(worker)
        for number in range(40):
            which, target = chance.randrange(3), tmp_path / f"{worker}/{number}"
            wrong.extend(filter(None, [cache.receive(shared, hashes[which], target)]))
            if target.read_bytes() != contents[which]:
                wrong.append(f"{target} is another one")
            if chance.random() < 0.4:
                # it may have gone
                with suppress(FileNotFoundError):
                    age(kept / chance.choice(hashes))
                cache.tidy()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert names(kept) <= {*hashes}


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 600 KB with the files of the worker."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)):
        pytest.skip("only root can mount a disk of its own")
    monkeypatch.setenv("XDG_CACHE_HOME", str(disk))
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_has_room_for_the_job_rather_than_for_what_is_kept(shared: Shared, small_disk: Path) -> None:
    first, second, large = sent(shared, b"a" * 400_000, b"b" * 400_000, b"c" * 700_000)
    kept = small_disk / "etl/objects"
    job = small_disk / "job/file"
    assert cache.receive(shared, first, job) == ""
    job.unlink()
    # of the job before, nobody reads it now
    assert cache.receive(shared, second, job) == ""
    assert job.read_bytes() == b"b" * 400_000
    assert names(kept) == {second}
    with pytest.raises(StepError, match="No space left on device"):
        cache.receive(shared, large, small_disk / "job/large")
    assert not (small_disk / "job/large").exists()
    assert job.read_bytes() == b"b" * 400_000


def test_what_cannot_be_deleted_or_kept_is_in_nobodys_way(shared: Shared, kept: Path, tmp_path: Path) -> None:
    kept.mkdir(parents=True)
    (kept / "folder").mkdir()
    age(kept / "folder")
    cache.tidy()
    (kept / "folder").rmdir()
    kept.rmdir()
    kept.write_text("no folder")
    (hashed,) = sent(shared, b"a")
    cache.tidy()
    assert cache.receive(shared, hashed, tmp_path / "file") == ""
    assert (tmp_path / "file").read_bytes() == b"a"
