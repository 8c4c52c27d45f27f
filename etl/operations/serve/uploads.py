"""Deliveries that are uploaded: where each is to lie in raw/, judged first; written aside, and put there whole."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.operations.serve.asked import Asked, Refusal
from etl.plan.definitions import definitions
from etl.project.files import flush, make_folder, put, sha256
from etl.sources.connectors.files import Files
from etl.sources.connectors.pattern import file_pattern, is_unfinished

#: What a half-written file is called beside its place: hidden, so that no source takes it.
_ASIDE = ".upload"
#: What was left so many seconds ago is of an upload that was killed.
_LEFT_SECONDS = 3600


@dataclass(frozen=True)
class Wanted:
    """Where an upload is to lie, and whether it may take the place of another file."""

    name: str
    path: Path
    is_replacing: bool


def wanted(asked: Asked) -> Wanted:
    """Return where an upload is to lie. Raises Refusal if it may not lie there, whatever it holds."""
    name, source = asked.text("file"), asked.names[0]
    found = definitions(asked.project, asked.ledger)[0].sources.get(source)
    if found is None or found.fetch is not None or found.task or not isinstance(found.connector, Files):
        raise Refusal(404, f"{source[:100]} is not a source whose files are delivered.")
    pattern, day = file_pattern(found.connector.path), asked.selection().date
    if not name and not pattern.is_wild and (day is not None or not found.is_dated):
        name = found.connector.where(day) if day and found.is_dated else found.connector.path
    parts = name.split("/")
    is_one = pattern.matches(name) and (not found.is_dated or pattern.day(name) is not None)
    is_marker = bool(found.connector.marker) and found.connector.claims(name) and not pattern.matches(name)
    is_odd = any(part in ("", ".", "..") or is_unfinished(part) for part in parts) or not name.isprintable()
    if is_odd or not (is_one or is_marker):
        raise Refusal(400, f"file= must be a path below data/raw that the source takes: {found.connector.path}.")
    path = asked.project.raw / name
    if not _is_inside(path, asked.project.raw):
        raise Refusal(400, "The folder of that file is a link that leads out of data/raw.")
    return Wanted(name, path, asked.text("replace") == "yes")


def _is_inside(path: Path, raw: Path) -> bool:
    real = os.path.realpath(path.parent)
    return real == os.path.realpath(raw) or real.startswith(f"{os.path.realpath(raw)}/")


@dataclass
class Upload:
    """A file that comes in parts."""

    wanted: Wanted
    _aside: Path = field(init=False)
    _file: Any = field(init=False)
    _hash: Any = field(default_factory=hashlib.sha256)
    size: int = 0

    def __post_init__(self) -> None:
        folder = self.wanted.path.parent
        make_folder(folder)
        _sweep(folder)
        self._aside = folder / f".{self.wanted.path.name}.{secrets.token_hex(8)}{_ASIDE}"
        self._file = open(self._aside, "xb")  # noqa: SIM115 (it is open while parts come)

    def write(self, part: bytes) -> None:
        """Take one part."""
        self._file.write(part)
        self._hash.update(part)
        self.size += len(part)

    def finish(self) -> dict[str, Any]:
        """Put the file in its place, on the disk; return what it is. Raises Refusal if another one is there."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        digest = self._hash.hexdigest()
        facts = {"file": self.wanted.name, "bytes": self.size, "sha256": digest}
        try:
            try:
                os.link(self._aside, self.wanted.path)
                flush(self.wanted.path.parent)
            except FileExistsError:
                if _holds(self.wanted.path, digest):
                    return {**facts, "is_new": False}
                if not self.wanted.is_replacing:
                    raise Refusal(
                        409, f"{self.wanted.name} is there with another content. To replace it: replace=yes."
                    ) from None
                put(self._aside, self.wanted.path)
            return {**facts, "is_new": True}
        finally:
            self._aside.unlink(missing_ok=True)

    def give_up(self) -> None:
        """Leave nothing of it."""
        self._file.close()
        self._aside.unlink(missing_ok=True)


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and not path.is_symlink() and sha256(path) == digest


def _sweep(folder: Path) -> None:
    """Delete what uploads have left that were killed with the server."""
    for path in folder.glob(f".*{_ASIDE}"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _LEFT_SECONDS:
                path.unlink()
