"""A fixed-width file, taken apart by the lengths of its lines; it is only copied if DuckDB is to read it."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from etl.sources.formats.blocks import Block, Cuts, block_bytes
from etl.sources.formats.fixed_lines import Lines, Part, Shape, parts
from etl.sources.formats.format import Fault, Place, Skipped
from etl.sources.formats.staged import Staged, StagedRecord, stage

if TYPE_CHECKING:
    from etl.sources.formats.limits import Limit


class FixedFile:
    """A file whose records are found; `whole` copies all of it to the file that it is given, for DuckDB.

    Raises Unalike if its lines must be told one by one.
    """

    #: Lines have no other cells.
    extras: Mapping[str, int] = MappingProxyType({})

    def __init__(
        self,
        fmt: Shape,
        lines: Callable[[], Lines],
        text: Path,
        scratch: Path,
        *,
        whole: Callable[[Path], Staged],
        limit: Limit,
    ) -> None:
        self._format, self._lines, self._text = fmt, lines, text
        self._whole, self._copy = whole, scratch.with_name(scratch.name + ".whole")
        self._read: Staged | None = None
        self._kept = ExitStack()
        self.columns, self.reader = tuple(fmt.columns), fmt.reader()
        self.sound = 0
        self._others = stage(self._found(), self.columns, scratch, reader=self.reader, limit=limit, is_read=False)
        self.broken, self.skipped = self._others.broken, self._others.skipped
        self.lines = self.sound + self._others.lines

    @property
    def file(self) -> Path:
        """Where DuckDB reads the sound records: a copy, which is written when it is asked for."""
        return self._staged().file

    @property
    def in_blocks(self) -> FixedFile:
        """The file itself."""
        return self

    @property
    def marks(self) -> Cuts:
        """Where the cells of blocks() are."""
        fmt = self._format
        return Cuts(tuple(fmt.columns.values()), fmt.lengths[-1], fmt.strip, fmt.nulls)

    def blocks(self) -> Iterator[Block]:
        """Yield the sound records, in order."""
        found, records, size = [], 0, 0
        for part in self._parts():
            found.append(part.records)
            records, size = records + part.sound, size + len(found[-1])
            if size >= block_bytes(len(self.columns)):
                yield Block(b"".join(found), records)
                found, records, size = [], 0, 0
        if records:
            yield Block(b"".join(found), records)

    def keep(self, kept: ExitStack) -> None:
        """Hold what the text needs until close()."""
        self._kept = kept

    def verify(self) -> None:
        """Do nothing: every record was looked at."""

    def faults(self) -> Iterator[Fault]:
        """Yield the broken records, in order."""
        return self._others.faults()

    def places(self, numbers: Sequence[int]) -> Iterator[Place]:
        """Yield the sound records with these numbers, which ascend."""
        before = done = 0
        for part in self._parts() if len(numbers) else ():
            first, done = done, bisect_left(numbers, before + part.sound, done)
            if done > first:
                yield from _places(part, array("q", (number - before for number in numbers[first:done])))
            if done == len(numbers):
                return
            before += part.sound

    def everything(self) -> Iterator[Fault]:
        """Yield all records, sound and broken, in order."""
        return self._staged().everything()

    def skips(self, headers: bool = True) -> Sequence[Skipped]:
        """Return the lines that are skipped by their number alone."""
        return self._others.skips(headers)

    def blank(self) -> Sequence[str]:
        """Return no column: every record has a place for each."""
        return ()

    def close(self) -> None:
        """Delete the copies of the file."""
        if self._read:
            self._read.close()
        self._others.close()
        self._kept.close()

    def _found(self) -> Iterator[StagedRecord]:
        for part in self._parts():
            self.sound += part.sound
            yield from part.others

    def _parts(self) -> Iterator[Part]:
        return parts(self._format, self._lines(), self._text)

    def _staged(self) -> Staged:
        if self._read is None:
            self._read = self._whole(self._copy)
        return self._read


def _places(part: Part, numbers: Sequence[int]) -> Iterator[Place]:
    """Yield the sound records of a part by their numbers among these."""
    import numpy as np

    starts = part.starts
    for position in np.flatnonzero(part.is_sound)[numbers].tolist():
        text = part.data[starts[position] : part.ends[position]]
        yield Place(part.line + position, text.decode())
