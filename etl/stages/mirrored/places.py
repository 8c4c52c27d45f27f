"""Where a mirror can be, and what such a place is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit


class Place(Protocol):
    """A bucket or a folder. All names are relative to it, with `/` between their parts; StepError if it fails."""

    def names(self, below: str) -> Mapping[str, int]:
        """Return the names of all files below a folder, with their sizes."""

    def send(self, name: str, file: Path) -> None:
        """Copy a file there, whole or not at all."""

    def receive(self, name: str, file: Path) -> bool:
        """Write what a file there holds to one here; return whether it is there."""

    def read(self, name: str) -> tuple[bytes, str] | None:
        """Return what a file holds, and what tells that from what it held before; None if it is not there."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""

    def switch(self, name: str, content: bytes, tag: str) -> bool:
        """Write a file if it is what read() gave with `tag` still, empty for none; return whether it was."""

    def delete(self, names: Iterable[str]) -> None:
        """Delete files; one that is not there is no error."""


def open_place(url: str) -> Place:
    """Return the place with an address, not asked yet. Raises StepError without the library that it needs."""
    if url.startswith("file:"):
        from etl.stages.mirrored.folder import Folder

        return Folder(Path(urlsplit(url).path))
    from etl.stages.mirrored.objects import open_objects

    return open_objects(url)


def prepare_place(url: str) -> None:
    """Import what the place with an address needs, and open nothing: a process that has may not fork."""
    is_folder = url.startswith("file:")
    needed = ("etl.stages.mirrored.folder",) if is_folder else ("etl.stages.mirrored.objects", "obstore.store")
    for name in needed:
        with suppress(ImportError):
            import_module(name)
