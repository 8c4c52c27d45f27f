"""Files as a whole: what a copy costs, and that there is all of a file or none of it."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.project import files
from etl.project.files import copy_file, link_file, make_read_only, sha256, write_file, written_aside

BIG = b"an order\n" * 2_000_000


@pytest.fixture
def xfs(tmp_path: Path) -> Iterator[Path]:
    """A disk whose files can share blocks."""
    image, folder = tmp_path / "image", tmp_path / "xfs"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(400 * 2**20)
    commands = [
        ["mkfs.xfs", "-q", "-m", "reflink=1", str(image)],
        ["mount", "-o", "loop", str(image), str(folder)],
    ]
    if not shutil.which("mkfs.xfs") or any(subprocess.run(it, capture_output=True).returncode for it in commands):
        pytest.skip("only root can mount a disk of its own, and only with xfsprogs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def used(folder: Path) -> int:
    status = os.statvfs(folder)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


def test_a_copy_shares_its_blocks_where_the_disk_can_until_it_is_written_to(xfs: Path) -> None:
    original, copy = xfs / "original", xfs / "copy"
    original.write_bytes(BIG)
    files.flush(original)
    before = used(xfs)

    assert copy_file(original, copy) == "cloned"

    assert copy.read_bytes() == BIG
    assert used(xfs) - before < len(BIG) / 10
    with copy.open("r+b") as file:
        file.write(b"no order")
    assert original.read_bytes() == BIG


def test_a_file_is_linked_to_another_folder_and_copied_to_another_disk(tmp_path: Path, xfs: Path) -> None:
    original = tmp_path / "original"
    original.write_bytes(BIG)
    make_read_only(original)

    assert link_file(original, tmp_path / "there" / "linked") == "linked"
    assert link_file(original, xfs / "there" / "copied") == "copied"

    assert (tmp_path / "there" / "linked").samefile(original)
    assert sha256(xfs / "there" / "copied") == sha256(original)
    assert (xfs / "there" / "copied").stat().st_mode & 0o777 == original.stat().st_mode & 0o777


def test_a_text_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "folder" / "notes"
    write_file(file, "the first")

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "flush", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(file, "the second")

    assert file.read_text() == "the first"


@pytest.mark.parametrize("is_aside", [False, True])
def test_what_fails_while_it_is_written_leaves_what_was_there(tmp_path: Path, is_aside: bool) -> None:
    target, scratch = tmp_path / "deep/down/a.txt", tmp_path / "scratch" if is_aside else None
    with written_aside(target, scratch) as aside:
        aside.write_text("whole")
    for problem in (OSError("no room"), KeyboardInterrupt()):
        with pytest.raises(type(problem)), written_aside(target, scratch) as aside:
            aside.write_text("hal")
            raise problem
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["whole"]


@pytest.mark.parametrize(("count", "works", "expected"), [(3, True, 3), (40, True, 0), (40, False, 40)])
def test_many_files_are_flushed_at_once_where_the_system_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, works: bool, expected: int
) -> None:
    paths = [tmp_path / f"{number}" for number in range(count)]
    for path in paths:
        path.touch()
    alone: list[Path] = []
    monkeypatch.setattr(files, "flush", alone.append)
    monkeypatch.setattr(files, "_flush_file_system", lambda path: works and path.exists())

    files.flush_together(paths)

    assert len(alone) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked")
def test_a_file_system_is_flushed_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")

    assert files._flush_file_system(tmp_path / "file")
    assert files._flush_file_system(tmp_path)
