"""Pointers: what another project replaces when it has published, such as its link `warehouse/current`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from etl.errors import ConfigError, sentence
from etl.operations.watch.waker import Watched
from etl.project import CONFIG, enclosing_root, load_project

#: A look at one link costs next to nothing, and is right on every file system.
_SECONDS = 1.0


@dataclass(frozen=True)
class Pointers:
    """Wakes when one of some links leads elsewhere, or one of some files is replaced."""

    paths: tuple[Path, ...]
    is_outside = True

    @classmethod
    def of(cls, watched: Watched) -> Sequence[Pointers]:
        """Return one for the projects that [etl] watch_projects names, and for what sources are fetched from."""
        paths = dict.fromkeys([*_published(watched), *watched.pointers])
        return [cls(tuple(paths))] if paths else []

    @property
    def named(self) -> str:
        """What is looked at."""
        return f"what is published at {', '.join(map(str, self.paths))}"

    def wakes(self, stop: Event) -> Iterator[str]:
        """Yield when one is not as it was; what happened before it was begun, the first run finds."""
        before = list(map(_state, self.paths))
        while not stop.wait(_SECONDS):
            now = list(map(_state, self.paths))
            changed = [path for path, old, new in zip(self.paths, before, now, strict=True) if old != new]
            before = now
            if changed:
                yield f"{changed[0]} is new"


def _published(watched: Watched) -> Iterator[Path]:
    """Yield the link of each project that is named; it need not have published yet."""
    own = watched.project
    for name in filter(None, map(str.strip, own.settings.watch_projects.split(","))):
        folder = (own.root / name).resolve()
        said = f"{own.root / CONFIG}: [etl] watch_projects: {name}"
        if enclosing_root(folder) != folder:
            raise ConfigError(f"{said} is not the folder of a project: {folder} has no {CONFIG} with [etl].")
        try:
            yield load_project(folder).current
        except ConfigError as error:
            raise ConfigError(f"{said} cannot be read: {sentence(str(error))}") from error


def _state(path: Path) -> tuple[object, ...]:
    """Return what differs once a path was replaced, or a link leads elsewhere."""
    with suppress(OSError):
        status, where = os.lstat(path), os.readlink(path) if os.path.islink(path) else ""
        return status.st_ino, status.st_mtime_ns, status.st_size, where
    return ()
