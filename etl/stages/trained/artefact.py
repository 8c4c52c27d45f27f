"""What a training has made, as bytes in a row or in a file, and back: of the project's own generations only."""

from __future__ import annotations

import hashlib
import pickle
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import TransformError
from etl.ledger import digest
from etl.project.files import make_read_only, written_aside

#: How the bytes of a model are read: as they are, or as what Python wrote.
BYTES, PICKLE = "bytes", "pickle"
#: How the format goes on of a model that lies in a file, of which the row has the name.
IN_FILE = " in a file"
_PROTOCOL = 5
_NAME = re.compile(r"[0-9a-f]{64}\.model")
#: Of more bytes than these a model is not kept thrice: what was learned and what was decided name its file.
_ONCE = 1_000_000
#: Of more bytes than these a hash stands for them where a model is named.
_SPELLED_OUT = 50_000_000


class Lost(TransformError):
    """Raised for a model whose file is gone, or holds something else than was written."""


def packed(model: Any) -> tuple[str, bytes]:
    """Return how the bytes of a model are read, and the bytes: the same for the same model.

    Raises TypeError for what cannot be written, such as a function that is made inside another one.
    """
    if isinstance(model, bytes | bytearray | memoryview):
        return BYTES, bytes(model)
    try:
        # once there and back: what two places of a model share depends on how it was made, not on what it is
        return PICKLE, pickle.dumps(pickle.loads(pickle.dumps(model, _PROTOCOL)), _PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(f"train() returned what cannot be kept: {error}. Return bytes, or an object") from None


def unpacked(format: str, artefact: bytes) -> Any:
    """Return a model from its bytes."""
    return pickle.loads(artefact) if format == PICKLE else artefact


def version_of(format: str, artefact: bytes, *facts: object) -> str:
    """Return what a model is called by: 12 letters and digits that stand for all that makes its predictions.

    It is the same wherever the bytes are kept.
    """
    is_short = len(artefact) <= _SPELLED_OUT
    return digest(format, artefact.hex() if is_short else hashlib.sha256(artefact).hexdigest(), *facts)[:12]


def file_of(format: str, artefact: bytes) -> str:
    """Return the name of the file that a row names; nothing if the bytes are in the row itself."""
    name = artefact.decode() if format.endswith(IN_FILE) else ""
    if name and not _NAME.fullmatch(name):
        raise Lost(f"{name!r} is not the name of a model's file.")
    return name


@dataclass(frozen=True, kw_only=True)
class Artefacts:
    """Where models lie that are too large for a row: a file each, named by the hash of its bytes.

    `limit` is how many bytes the row of the model takes that is used, for SQL to read; other rows, of what was
    learned and decided, take few of them, since they hold the same again. Without a `folder` rows take all.
    """

    folder: Path | None = None
    limit: int = sys.maxsize

    def kept(self, format: str, artefact: bytes) -> tuple[str, bytes]:
        """Return what a row says of a model; of a large one, after its file was written, in one rename.

        The file is there before the row is, and whole; one that no row names is swept.
        """
        if self.folder is None or len(artefact) <= min(self.limit, _ONCE):
            return format, artefact
        name = f"{hashlib.sha256(artefact).hexdigest()}.model"
        if not is_whole(self.folder / name):
            with written_aside(self.folder / name) as aside:
                aside.write_bytes(artefact)
                make_read_only(aside)
        return format + IN_FILE, name.encode()

    def used(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row of the model that is used: with its bytes, unless they are too many. Raises Lost."""
        name = file_of(row["format"], row["artefact"])
        if not name or self.folder is None or self._size(name) > self.limit:
            return dict(row)
        artefact = self._read(name, row["model_version"])
        return {**row, "format": row["format"].removesuffix(IN_FILE), "artefact": artefact}

    def has(self, row: Mapping[str, Any]) -> bool:
        """Return whether the model of a row is there, as it was written."""
        name = file_of(row["format"], row["artefact"])
        return not name or (self.folder is not None and is_whole(self.folder / name))

    def model(self, row: Mapping[str, Any]) -> Any:
        """Return the model of a row. Raises Lost if its file is gone, or is not as it was written."""
        format, artefact = row["format"], row["artefact"]
        if name := file_of(format, artefact):
            format, artefact = format.removesuffix(IN_FILE), self._read(name, row["model_version"])
        return unpacked(format, artefact)

    def _size(self, name: str) -> int:
        path = (self.folder or Path()) / name
        # to read what is gone tells it
        return path.stat().st_size if path.exists() else 0

    def _read(self, name: str, version: str) -> bytes:
        path = (self.folder or Path()) / name
        try:
            artefact = path.read_bytes()
        except OSError:
            artefact = b""
        if f"{hashlib.sha256(artefact).hexdigest()}.model" != name:
            raise Lost(f"The file of the model {version}, {path}, is gone or is not as it was written.")
        return artefact


#: Keeps all models in their rows.
IN_ROWS = Artefacts()


def is_whole(path: Path) -> bool:
    """Return whether a file is there that holds the bytes by whose hash it is named."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == path.stem
    except OSError:
        return False
