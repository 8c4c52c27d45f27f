"""The bytes of a file, read as they are asked for.

Not a memory map: a sender that cuts a file short while it is mapped would kill the process without a word.
"""

from __future__ import annotations

import os
from pathlib import Path

_SEGMENT_BYTES = 8 << 20


class FileText:
    """A file of a fixed length, to be sliced like bytes; OSError if it has become shorter since it was opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._descriptor).st_size
        self._segment, self._base = b"", 0

    def __enter__(self) -> FileText:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._descriptor)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        if self._base <= start and stop <= self._base + len(self._segment):
            return self._segment[start - self._base : stop - self._base]
        return self._read(start, stop)

    def around(self, start: int, size: int) -> tuple[bytes, int]:
        """Return bytes that hold those from `start` on, `size` of them if there are, and where they begin."""
        stop = min(start + size, self._size)
        if not (self._base <= start and stop <= self._base + len(self._segment)):
            self._segment = self._read(start, min(start + max(size, _SEGMENT_BYTES), self._size))
            self._base = start
        return self._segment, self._base

    def find(self, text: bytes, start: int) -> int:
        """Return where a short text is first, from `start` on; -1 if it is nowhere."""
        while start < self._size:
            found = self[start : start + _SEGMENT_BYTES + len(text)].find(text)
            if found >= 0:
                return start + found
            start += _SEGMENT_BYTES
        return -1

    def _read(self, start: int, stop: int) -> bytes:
        parts = []
        while start < stop:
            part = os.pread(self._descriptor, stop - start, start)
            if not part:
                raise OSError(f"{self._path} was cut short while it was read")
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
