"""The sound records of a file in blocks of plain delimited text, or of fixed-width lines; light to import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

#: So much of a file is parsed at once, and so much for each of its columns: what a block costs grows with these.
BLOCK_BYTES = 6 << 20
COLUMN_BYTES = 4 << 10


class Unproven(Exception):
    """What was made of a block is not known to be what its records say."""


class Marks(NamedTuple):
    """The dialect of blocks: each record ends in a line feed, and a quote in a quoted cell is doubled."""

    delimiter: str
    quote: str
    nulls: tuple[str, ...]
    #: Whether each record ends in a delimiter.
    trailing: bool = False

    @property
    def is_readable(self) -> bool:
        """Whether Arrow's parser knows the dialect."""
        return len(self.delimiter) == 1 and self.delimiter.isascii()


class Cuts(NamedTuple):
    """The places of cells in blocks of lines: each ends in a line feed, and has up to `width` characters.

    Columns have their first and last character, from 1. Lines that are shorter than that are only there
    with `strip`, which takes spaces off both ends of a cell.
    """

    spans: tuple[tuple[int, int], ...]
    width: int
    strip: bool
    nulls: tuple[str, ...]


class Block(NamedTuple):
    """Whole sound records and nothing else. Without `is_scanned` so many lines only seem to be records."""

    data: bytes | memoryview
    records: int
    is_scanned: bool = True


class InBlocks(Protocol):
    """A file taken apart whose sound records can be had in blocks, in the dialect of `marks`."""

    @property
    def marks(self) -> Marks | Cuts: ...

    def blocks(self) -> Iterator[Block]:
        """Yield the sound records, in order."""


def block_bytes(columns: int) -> int:
    """Return how much of a file with so many columns is parsed at once."""
    return max(BLOCK_BYTES, COLUMN_BYTES * columns)


def in_blocks(opened: object) -> InBlocks | None:
    """Return a file that was taken apart as one that can be had in blocks; None if it is no such file."""
    return getattr(opened, "in_blocks", None)
