"""Files as a whole: hashed, copied the cheapest way, written in one rename, and flushed to the disk."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Linux's request to share the blocks of a file with another one, until either is written to.
#: From so many on, files are flushed with all of their file system.
_MANY = 16
_FICLONE = 0x40049409


def project_files(folder: Path, *suffixes: str, below: bool = True) -> list[Path]:
    """Return the files of a folder that people wrote, with suffixes such as `.sql`; none if there is no folder.

    What editors, notebooks and other systems leave there is passed over: .#a.sql, ._a.sql, #a.sql#, a.sql~ and
    all that is in a hidden folder. `below` says whether those in folders below count. A suffix in other letters,
    such as `.SQL`, matches too, so that it can be refused.
    """
    found, depth = folder.rglob("*") if below else folder.glob("*"), len(folder.parts)
    return sorted(path for path in found if path.suffix.lower() in suffixes and not _is_left(path.parts[depth:]))


def _is_left(parts: Sequence[str]) -> bool:
    """Return whether a path is that of a file which a program has left, and nobody wrote."""
    return any(part[0] in ".#" for part in parts) or parts[-1].endswith(("~", "#"))


def copy_file(source: Path, target: Path) -> str:
    """Copy a file, by reference where the file system can; return `cloned` or `copied`."""
    with source.open("rb") as read, target.open("wb") as written:
        try:
            fcntl.ioctl(written, _FICLONE, read.fileno())
            return "cloned"
        except OSError:
            pass
    shutil.copyfile(source, target)
    return "copied"


def link_file(source: Path, target: Path) -> str:
    """Have a file that is never written to in a second place, without a copy if the file system can.

    Return `linked`, `cloned` or `copied`; a copy has the permissions of its original.
    """
    # many are linked into one folder
    if not os.path.isdir(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
        return "linked"
    except OSError:
        how = copy_file(source, target)
    shutil.copymode(source, target)
    return how


def write_file(target: Path, text: str) -> None:
    """Make a file of a text, in one rename: there is all of it, or what was there before."""
    with written_aside(target) as aside:
        aside.write_text(text, encoding="utf-8")


@contextmanager
def written_aside(target: Path, scratch: Path | None = None) -> Iterator[Path]:
    """Give a path to write a file to, which is put in the place of `target` in the end; see put().

    It lies in the folder `scratch` of the same file system, which is private and made if it is not there, or
    beside the target under a hidden name. If anything fails, it is removed, and the target is what it was.
    """
    if scratch is None:
        make_folder(target.parent)
    aside = target.with_name(f".{target.name}.new") if scratch is None else private(scratch) / target.name
    # what a process that was killed has left
    aside.unlink(missing_ok=True)
    try:
        yield aside
        put(aside, target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def put(written: Path, target: Path, *, is_flushed: bool = False) -> None:
    """Rename a file that was written aside to its place, both on the disk: a loss of power takes neither back.

    One that `is_flushed` is only renamed; the folders are to be flushed with those of others.
    """
    if is_flushed:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(written, target)
        return
    flush(written)
    make_folder(target.parent)
    os.replace(written, target)
    flush(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder with those above it, if it is not there, and have their names on the disk."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush(folder.parent)


def private(folder: Path) -> Path:
    """Return a folder that is nobody else's to look into, made if it is not there."""
    # it is asked for with every partition
    if not os.path.isdir(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def emptied(folder: Path) -> Path:
    """Return a folder that is nobody else's to look into, and has nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    return private(folder)


def restrict_files(mask: int) -> None:
    """Take the permissions in `mask` from all files that this process makes from now on."""
    os.umask(os.umask(0o777) | mask)


def make_read_only(path: Path) -> None:
    """Let nobody write to a file; who may read it stays as the umask left it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode != mode & 0o444:
        path.chmod(mode & 0o444)


def sha256(path: Path, inside: Path | None = None) -> str:
    """Return the hash of a file's content; of what somebody else may swap, only if it lies `inside` a folder."""
    with open(open_inside(path, inside) if inside else path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_inside(path: Path, folder: Path) -> int:
    """Open a file to read it, without waiting for a pipe's other end; return the descriptor.

    Raises OSError unless what was opened, links followed, is a regular file below `folder`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a file", str(path))
        opened = f"/proc/self/fd/{descriptor}"
        real = os.readlink(opened) if os.path.islink(opened) else os.path.realpath(path)
        if not real.startswith(f"{os.path.realpath(folder)}/"):
            raise OSError(errno.ELOOP, f"it leads out of {folder}", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def flush_together(paths: Collection[Path]) -> None:
    """Have files and folders of one file system written to the disk, at once if they are many.

    What others write there is then written too, which takes less time than to wait for each of many alone.
    """
    if len(paths) < _MANY or not _flush_file_system(next(iter(paths))):
        for path in paths:
            flush(path)


def _flush_file_system(path: Path) -> bool:
    """Have all of a path's file system written to the disk; False where that cannot be asked for, or failed."""
    if sys.platform != "linux":
        return False
    import ctypes

    syncfs = getattr(ctypes.CDLL(None), "syncfs", None)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return syncfs is not None and syncfs(descriptor) == 0
    finally:
        os.close(descriptor)


def flush(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
