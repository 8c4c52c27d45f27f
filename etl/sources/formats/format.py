"""What a raw format must be able to do: take a file apart into records, and hand the sound ones to DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from etl.contract.values import Values


class Place(NamedTuple):
    """A record as it was delivered, for people: where it is and what it says."""

    #: Physical line, row of a sheet, or element, from 1.
    line: int
    #: The original text without its line end; undecodable bytes as \\xNN.
    text: str
    #: The original bytes, where the text does not say all of them.
    raw: bytes | None = None


class Fault(NamedTuple):
    """A record with what is wrong with its shape; `problem` is empty for a sound one."""

    place: Place
    problem: str


class Skipped(NamedTuple):
    """A line that is no record because of where it stands: it may be one all the same, out of its place."""

    place: Place
    #: What the source says, such as `footer=1`.
    option: str
    #: "above" the header or the records, "below" them, the header that "names" the columns, or a "header" unread.
    role: str


class Reader(Protocol):
    """How DuckDB reads files that hold nothing but sound records; equal readers read alike."""

    def relation(self, paths: Sequence[Path], names: Sequence[str]) -> str:
        """Return the SQL of a relation: the cells as varchar columns `names`, and `file_index` from 0."""

    def numbered(self, path: Path, names: Sequence[str]) -> str:
        """Return the SQL of a relation of one file: the cells, and `_record`, from 0 in the file's order."""


class Opened(Protocol):
    """A file taken apart: every record is either sound, and read by `reader` from `file`, or broken.

    `columns` are those of the file, in its order. `extras` are names of further cells, each with
    the line where it is first; the relation then has those cells as one JSON object in the column `_extra`.

    `lines` are those of the file, or its rows or elements: each is of a record or `skipped`. A record counts as
    one line, however many it has.
    """

    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def extras(self) -> Mapping[str, int]: ...
    @property
    def sound(self) -> int: ...
    @property
    def broken(self) -> int: ...
    @property
    def lines(self) -> int: ...
    @property
    def skipped(self) -> int: ...
    @property
    def reader(self) -> Reader: ...
    @property
    def file(self) -> Path: ...

    def verify(self) -> None:
        """Look at every record if that was not done: what is known then no more rests on DuckDB's refusals."""

    def faults(self) -> Iterator[Fault]:
        """Yield the broken records, in order."""

    def places(self, numbers: Sequence[int]) -> Iterator[Place]:
        """Yield the sound records with these numbers, which ascend."""

    def everything(self) -> Iterator[Fault]:
        """Yield all records, sound and broken, in order."""

    def skips(self, headers: bool = True) -> Sequence[Skipped]:
        """Return the lines that are skipped by their number alone, in order; blank ones are left out.

        Without `headers`, the header that names the columns is left out too.
        """

    def blank(self) -> Sequence[str]:
        """Return the columns of which no sound record has a cell, where each record names its own; else none."""

    def close(self) -> None:
        """Delete what was written to take the file apart."""


class Format(Protocol):
    """A format of raw files. Every cell is read as text; the contract gives it its type."""

    @property
    def values(self) -> Values:
        """Return how the sender writes values."""

    def open(self, path: Path, expected: Sequence[str], scratch: Path) -> Opened:
        """Take any file whatsoever apart; what has to be written goes to `scratch`, a path of its own.

        `expected` are the contract's columns, for files that do not name theirs. Raises UnreadableError for
        a file that has no records at all, such as a damaged archive.
        """

    def record_format(self, columns: Sequence[str]) -> Format:
        """Return the format in which the text of a record alone, as in `Place`, is read again."""

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        """Return a record's text with the cells of `hidden` columns replaced; None where they cannot be told."""

    def within(self, column: str) -> str:
        """Return how the names of extra cells begin that are parts of a column's own; empty if it has none."""
