"""The one file that a source wants of several in a zip or a tar; what a Mac or Windows adds is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from etl.errors import ContractError, UnreadableError
from etl.sources.formats.limits import check_packing

if TYPE_CHECKING:
    from tarfile import TarFile, TarInfo
    from zipfile import ZipFile, ZipInfo

#: Files that programs put into archives for themselves, and folders of nothing else, in lower case.
_RUBBISH_FILES = (".ds_store", "thumbs.db", "desktop.ini")
_RUBBISH_FOLDERS = ("__macosx", ".appledouble")
_MOST_SHOWN = 10


def check_member(member: object) -> None:
    """Raise ContractError unless a text can name a file in an archive."""
    if not isinstance(member, str) or member.startswith("/") or member.endswith("/") or set(member) & set("[]{}"):
        raise ContractError(
            f"member={member!r} is not the name of a file in an archive, such as stop_times.txt or data/*.csv."
        )


def open_zip_member(archive: ZipFile, path: Path, member: str) -> IO[bytes]:
    """Return the one file of a zip archive that `member` names. Raises UnreadableError if it is not one."""
    found: list[ZipInfo] = [each for each in archive.infolist() if not each.is_dir()]
    one: ZipInfo = found[_wanted([each.filename for each in found], path, member)]
    check_packing(path, [one])
    return archive.open(one)


def tar_blocks(blocks: Callable[[], Iterator[bytes]], path: Path, member: str, size: int) -> Iterator[bytes]:
    """Yield the one file of a tar archive that `member` names, in blocks of `size`.

    `blocks()` begins the archive's own bytes again: it is read once for its names, and once for the file. Raises
    UnreadableError if it is not one file, EOFError for an archive that is cut off.
    """
    import tarfile

    # the library asks for no more than read()
    stream: Any = _Stream(blocks())
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        names = [each.name for each in _files(archive)]
        # a whole one goes on behind its last file, with zeros
        if stream.read_on() <= archive.offset:
            raise EOFError("it is cut off")
    wanted = _wanted(names, path, member)
    stream = _Stream(blocks())
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, each in enumerate(_files(archive)):
            if number == wanted:
                file: Any = archive.extractfile(each)
                while block := file.read(size):
                    yield block
                return


def files_in(path: Path, kind: str) -> dict[str, int]:
    """Return names and sizes of the files in a zip or tar archive, without what programs add for themselves."""
    if kind == "zip":
        from zipfile import ZipFile

        with ZipFile(path) as packed:
            found = {each.filename: each.file_size for each in packed.infolist() if not each.is_dir()}
    else:
        import tarfile

        with tarfile.open(path) as archive:
            found = {each.name: each.size for each in _files(archive)}
    return {name: size for name, size in found.items() if not _is_rubbish(name)}


def _files(archive: TarFile) -> Iterator[TarInfo]:
    return (each for each in archive if each.isreg())


def _wanted(names: Sequence[str], path: Path, member: str) -> int:
    """Return the place of the name that is wanted: that of the only file, or of the one that `member` matches."""
    files = [number for number, name in enumerate(names) if not _is_rubbish(name)]
    wanted = [number for number in files if is_member(names[number], member)] if member else files
    if len(wanted) == 1:
        return wanted[0]
    if not member:
        raise UnreadableError(
            f"{path} holds {len(files)} files, not one: {_shown(names[n] for n in files)}. Say which one the "
            "source takes with member=, such as member='orders.csv'."
        )
    if not wanted:
        there = f"It holds {_shown(names[n] for n in files)}" if files else "It is empty"
        raise UnreadableError(f"{path} has no file that member={member!r} names. {there}.")
    raise UnreadableError(
        f"{path} has {len(wanted)} files that member={member!r} names: {_shown(names[n] for n in wanted)}. "
        "Narrow it down to one."
    )


def _shown(names: Iterator[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MOST_SHOWN:,} more" if len(every) > _MOST_SHOWN else ""
    return ", ".join(map(repr, every[:_MOST_SHOWN])) + more


def _is_rubbish(name: str) -> bool:
    *folders, file = _path(name).lower().split("/")
    return file.startswith("._") or file in _RUBBISH_FILES or any(part in _RUBBISH_FOLDERS for part in folders)


def _path(name: str) -> str:
    """Return a name as it would be on this system; some programs write it as Windows does."""
    return name.replace("\\", "/").removeprefix("./")


def is_member(name: str, member: str) -> bool:
    """Return whether a pattern with `*` and `?` matches a name; one without a folder, in whatever folder it is."""
    name = _path(name) if "/" in member else _path(name).rpartition("/")[2]
    text = re.escape(member).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.fullmatch(text, name) is not None


class _Stream:
    """Blocks of bytes as a file that is read from its start to its end."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._left, self._size = blocks, b"", 0

    def read(self, size: int) -> bytes:
        """Return so many bytes; fewer at the end."""
        parts, missing = [], size
        while missing and (self._left or (block := next(self._blocks, b""))):
            self._left = self._left or block
            parts.append(self._left[:missing])
            self._left = self._left[missing:]
            missing -= len(parts[-1])
        self._size += size - missing
        return b"".join(parts)

    def read_on(self) -> int:
        """Read all that is left; return how many bytes there were in all."""
        while self.read(1 << 20):
            pass
        return self._size
