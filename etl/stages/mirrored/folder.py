"""A mirror in a folder, such as one of another machine that is mounted."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from etl.errors import StepError, sentence
from etl.project.files import copy_file, make_folder, written_aside


@dataclass(frozen=True)
class Folder:
    """A place that is a folder; it must be there, since an empty mount point is not one."""

    path: Path

    def names(self, below: str) -> Mapping[str, int]:
        """Return the names of all files below a folder, with their sizes."""
        with self._said():
            return {
                str(file.relative_to(self.path)): file.stat().st_size for file in self._files(self.path / below)
            }

    def send(self, name: str, file: Path) -> None:
        """Copy a file there, whole or not at all."""
        aside = self.path / ".sending"
        with self._said(), self._alone():
            # what one that was killed has left
            shutil.rmtree(aside, ignore_errors=True)
            with written_aside(self.path / name, aside) as written:
                make_folder((self.path / name).parent)
                copy_file(file, written)

    def receive(self, name: str, file: Path) -> bool:
        """Copy a file from there; return whether it is there."""
        with self._said():
            try:
                copy_file(self.path / name, file)
            except FileNotFoundError:
                return False
            return True

    def read(self, name: str) -> tuple[bytes, str] | None:
        """Return what a file holds, and its hash; None if there is no such file."""
        with self._said():
            try:
                content = (self.path / name).read_bytes()
            except FileNotFoundError:
                return None
            return content, hashlib.sha256(content).hexdigest()

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        with self._said(), written_aside(self.path / name) as aside:
            aside.write_bytes(content)

    def switch(self, name: str, content: bytes, tag: str) -> bool:
        """Write a file if it is what read() gave with `tag` still, empty for none; return whether it was."""
        with self._said(), self._alone():
            there = self.read(name)
            if (there[1] if there else "") != tag:
                return False
            self.write(name, content)
            return True

    def delete(self, names: Iterable[str]) -> None:
        """Delete files, and folders that are empty then; one that is not there is no error."""
        with self._said():
            for name in names:
                (self.path / name).unlink(missing_ok=True)
                with suppress(OSError):
                    (self.path / name).parent.rmdir()

    def _files(self, folder: Path) -> Iterator[Path]:
        if not self.path.is_dir():
            raise StepError(f"{self.path} is not a folder. Is a disk not mounted? Mount it, or make the folder.")
        make_folder(folder)
        for at, _, names in os.walk(folder, onerror=_raised):
            # half of a file that was never finished is not one
            yield from (Path(at, name) for name in names if not name.startswith("."))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait for another process that writes here, on whatever machine."""
        with open(self.path / ".lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StepError(f"{self.path} cannot be written to or read: {sentence(str(error))}") from None


def _raised(error: OSError) -> None:
    raise error
