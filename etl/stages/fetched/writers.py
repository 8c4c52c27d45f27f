"""Writers: of a table as Parquet, of lines as JSON Lines, and of copies of files; all of them write aside."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from etl.errors import FetchError
from etl.project.files import put, write_file

if TYPE_CHECKING:
    import pyarrow as pa

#: How often what was noted of lines is flushed to the disk.
_FLUSHED_SECONDS = 1.0
#: So many bytes of lines are compressed at once.
_FRAME_BYTES = 4 << 20
_ROWS_OF_A_GROUP = 1 << 20
#: A larger dictionary of texts takes a third of the time of a fetch, and the file is larger with it than without.
_DICTIONARY_BYTES = 1 << 16


class Writer(Protocol):
    """What writes the one file of a fetch."""

    path: Path
    ending: str
    rows: int

    def close(self, manifest: str) -> None:
        """Finish the file, with its manifest if it can hold it."""

    def abandon(self) -> None:
        """Let go of the file, finished or not."""


class TableWriter:
    """Writes Arrow batches into one Parquet file."""

    ending = ".parquet"

    def __init__(self, path: Path, schema: pa.Schema, check: Callable[[], None]) -> None:
        import pyarrow.parquet as pq

        self.path, self.schema, self.rows, self._check = path, schema, 0, check
        path.unlink(missing_ok=True)
        self._writer = pq.ParquetWriter(
            path, schema, compression="zstd", dictionary_pagesize_limit=_DICTIONARY_BYTES
        )

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Write rows; they must have the schema."""
        import pyarrow as pa

        self._check()
        if isinstance(batch, pa.Table):
            self._writer.write_table(batch, row_group_size=_ROWS_OF_A_GROUP)
        else:
            self._writer.write_batch(batch, row_group_size=_ROWS_OF_A_GROUP)
        self.rows += batch.num_rows

    def close(self, manifest: str) -> None:
        """Write the end of the file, with its manifest."""
        self._writer.add_key_value_metadata({"etl.manifest": manifest})
        self._writer.close()

    def abandon(self) -> None:
        """Let go of the file."""
        with suppress(Exception):
            self._writer.close()


class LinesWriter:
    """Appends lines to a file, packed with zstd; `state` is what the last checkpoint of a killed try has noted."""

    ending = ".jsonl.zst"

    def __init__(self, path: Path, check: Callable[[], None]) -> None:
        self.path, self._check = path, check
        self._buffer: list[bytes] = []
        self._size = 0
        known = _known(path)
        if known and _lines(path, known["bytes"]) != known["rows"]:
            # the machine went down before the lines were on the disk
            known = {}
        self.state: Any = known.get("state")
        self.rows: int = known.get("rows", 0)
        self._flushed = time.monotonic()
        self._file: BinaryIO = _opened(path, known.get("bytes", 0))

    def append(self, lines: bytes) -> None:
        """Append whole lines, each with its end."""
        self._check()
        if lines and not lines.endswith(b"\n"):
            lines += b"\n"
        self._buffer.append(lines)
        self._size += len(lines)
        self.rows += lines.count(b"\n")
        if self._size >= _FRAME_BYTES:
            self._pack()

    def checkpoint(self, state: Any) -> None:
        """Note how far it came, as what JSON can hold: lines first, so that no state is ahead of its lines.

        Whoever is killed loses nothing of it. It is flushed to the disk once a second, which costs more than a
        page; what a machine that goes down has lost is seen by the number of lines.
        """
        self._pack()
        self._file.flush()
        is_due = time.monotonic() - self._flushed > _FLUSHED_SECONDS
        if is_due:
            _flush(self._file)
            self._flushed = time.monotonic()
        text = json.dumps({"state": state, "rows": self.rows, "bytes": self._file.tell()})
        aside = self.path.with_name(f"{self.path.name}.note")
        aside.write_text(text, encoding="utf-8")
        put(aside, _note(self.path), is_flushed=True)
        self.state = state

    def restart(self) -> None:
        """Begin again with no lines."""
        self._file.seek(0)
        self._file.truncate()
        self._buffer, self._size, self.rows, self.state = [], 0, 0, None
        _note(self.path).unlink(missing_ok=True)

    def abandon(self) -> None:
        """Let go of the file; what was noted of it stays."""
        self._file.close()

    def close(self, manifest: str) -> None:
        """Finish the file; its manifest lies beside it."""
        if not self._file.tell() and not self._buffer:
            self._buffer.append(b"")
        self._pack()
        _flush(self._file)
        self._file.close()

    def _pack(self) -> None:
        import pyarrow as pa

        if self._buffer:
            self._file.write(pa.compress(b"".join(self._buffer), codec="zstd", asbytes=True))
        self._buffer, self._size = [], 0


class CopyWriter:
    """Writes one file as it is; `size` bytes are there from a killed try, whose `state` says of what."""

    def __init__(
        self,
        path: Path,
        name: str,
        check: Callable[[], None],
        land: Callable[[CopyWriter, Mapping[str, Any]], None],
    ) -> None:
        self.path, self.name, self._check, self._land = path, name, check, land
        known = _known(path)
        self.state: Any = known.get("state")
        self.size: int = known.get("bytes", 0)
        self._file: BinaryIO = _opened(path, self.size)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._check()
        self._file.write(data)
        self.size += len(data)

    def checkpoint(self, state: Any) -> None:
        """Note that the bytes so far are those of what `state` tells, such as an ETag."""
        _flush(self._file)
        write_file(_note(self.path), json.dumps({"state": state, "bytes": self.size}))
        self.state = state

    def restart(self) -> None:
        """Begin again with no bytes."""
        self._file.seek(0)
        self._file.truncate()
        self.size, self.state = 0, None
        _note(self.path).unlink(missing_ok=True)

    def land(self, **told: Any) -> None:
        """Put the whole file in its place, with a manifest that says so: see Manifest."""
        self._land(self, told)

    def close(self) -> str:
        """Finish the file, and return the SHA-256 of its bytes."""
        _flush(self._file)
        self._file.close()
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def abandon(self) -> None:
        """Let go of the file; what was noted of it stays."""
        self._file.close()

    def forget(self) -> None:
        """Remove the note about a file that is in its place."""
        _note(self.path).unlink(missing_ok=True)


def _known(path: Path) -> dict[str, Any]:
    """Return what a killed try has noted, if what it wrote is there."""
    try:
        known: dict[str, Any] = json.loads(_note(path).read_text(encoding="utf-8"))
        return known if path.stat().st_size >= known["bytes"] else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _lines(path: Path, size: int) -> int:
    """Return how many lines the first bytes of a file of packed lines hold; -1 if they are not such."""
    import pyarrow as pa

    count = 0
    try:
        with path.open("rb") as file, pa.CompressedInputStream(_Head(file, size), "zstd") as lines:
            while block := lines.read(1 << 20):
                count += block.count(b"\n")
    except OSError:
        return -1
    return count


class _Head:
    """The first bytes of a file, to read."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left, self.closed = file, size, False

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        found = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(found)
        return found

    def close(self) -> None:
        """Leave the file open: it is somebody else's."""
        self.closed = True


def _opened(path: Path, size: int) -> BinaryIO:
    """Open a file to append to it after its first bytes: what comes after them was not noted."""
    if not size:
        _note(path).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    file = path.open("r+b" if size else "w+b")
    file.truncate(size)
    file.seek(size)
    return file


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.state")


def _flush(file: BinaryIO) -> None:
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        raise FetchError(f"{file.name} cannot be written: {error.strerror}.") from error
