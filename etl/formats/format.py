"""What a raw format must be able to do: tell the columns, prove a file sound, read it, take it apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol


class Record(NamedTuple):
    """One record of a raw file, by its place; `problem` is empty if it has the right shape."""

    #: Physical line of its first byte, from 1.
    line: int
    #: First byte and the byte after the last, line end included.
    start: int
    end: int
    problem: str = ""


class Format(Protocol):
    """A format of raw files. Every cell is read as text; the contract gives it its type."""

    def columns(self, path: Path, expected: Sequence[str]) -> list[str]:
        """Return the file's columns in its order: its header, or `expected` where it has none."""

    def prove(self, path: Path, width: int) -> int | None:
        """Return the number of records if every one surely has `width` cells, else None."""

    def relation(self, paths: Sequence[Path], columns: Sequence[str]) -> str:
        """Return the SQL of the sound files' records: `columns` as varchar, and `file_index` from 0."""

    def records(self, path: Path, width: int | None) -> Iterator[Record]:
        """Yield every record of any file whatsoever, sound or not, header and blank lines left out."""

    def rewrite(self, path: Path, records: Sequence[Record], target: Path) -> Format:
        """Write the sound `records` to a file of their own; return the format that reads it."""

    def text(self, content: bytes) -> str:
        """Return the original text of a record, for people to read; undecodable bytes as \\xNN."""
