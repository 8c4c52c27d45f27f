"""Small delimited files in memory, of which counting proves that each line is a sound record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from etl.sources.formats.blocks import Block, Marks
from etl.sources.formats.counted import counted
from etl.sources.formats.head import Body, Layout, find_body
from etl.sources.formats.kinds import binary_kind
from etl.sources.formats.plain import packing
from etl.sources.formats.scanner import Dialect

#: No file of this size has a record that is too long.
MOST_BYTES = 1_000_000
_MOST_COLUMNS, _MOST_HEADS = 1_000, 100


class SmallText:
    """The text of a file whose lines are all known to be sound records, below one header.

    It tells as much as is asked of deliveries that are taken together; for all else a file is opened.
    """

    extras: Mapping[str, int] = MappingProxyType({})
    broken, skipped = 0, 1

    def __init__(self, data: bytes, start: int, columns: tuple[str, ...], sound: int, marks: Marks) -> None:
        self._data, self._start = data, start
        self.columns, self.sound, self.marks = columns, sound, marks

    @property
    def lines(self) -> int:
        """The lines of the file."""
        return self.sound + self.skipped

    @property
    def in_blocks(self) -> SmallText:
        """The text itself."""
        return self

    def blocks(self) -> Iterator[Block]:
        """Yield the records."""
        data = self._data[self._start :].replace(b"\r\n", b"\n")
        yield Block(data if data.endswith(b"\n") else data + b"\n", self.sound, is_scanned=False)

    def blank(self) -> Sequence[str]:
        """Return no column: every record has a cell for each."""
        return ()

    def close(self) -> None:
        """Let go of the text."""
        self._data = b""


class _Head(NamedTuple):
    body: Body
    columns: tuple[str, ...]
    dialect: Dialect


class SmallTexts:
    """Takes small files of one dialect; what a header says is found once for all files that begin with it."""

    def __init__(self, dialect: Dialect, marks: Marks, compression: str) -> None:
        self._dialect, self._marks, self._compression = dialect, marks, compression
        self._heads: dict[bytes, _Head | None] = {}

    def taken(self, path: Path, data: bytes) -> SmallText | None:
        """Return the text of a file; None if it is not known to be sound."""
        line = data[: data.find(b"\n") + 1]
        if packing(path, self._compression) or binary_kind(data[:1024]):
            return None
        if line not in self._heads:
            if len(self._heads) == _MOST_HEADS:
                self._heads.clear()
            self._heads[line] = self._head(data, line)
        if (head := self._heads[line]) is None:
            return None
        body = head.body._replace(end=len(data))
        records = counted(data, body, head.dialect, head.columns)
        return SmallText(data, body.start, head.columns, records, self._marks) if records else None

    def _head(self, data: bytes, line: bytes) -> _Head | None:
        dialect = self._dialect
        if not line.rstrip(b"\r\n") or (dialect.quote and dialect.quote in line) or b"\r" in line[:-2]:
            return None
        body = find_body(data, Layout(True, 0, 0, ()), dialect)
        columns = body.names or ()
        if (
            body.start != len(line)
            or body.line != 2
            or not body.is_sound
            or len(columns) not in range(1, _MOST_COLUMNS)
        ):
            return None
        return _Head(body, columns, dialect._replace(width=len(columns)))
