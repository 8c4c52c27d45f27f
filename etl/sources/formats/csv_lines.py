"""A delimited file in which not every line is a record like the others: types, trailers, headers that come again.

Each line is looked at alone here, and DuckDB gets a copy of the records: padded, with the number of their line.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from etl.errors import UnreadableError
from etl.sources.formats import rewriting, splitter
from etl.sources.formats.csv_file import CsvFile
from etl.sources.formats.file_text import FileText
from etl.sources.formats.head import Layout
from etl.sources.formats.merged import without_merged
from etl.sources.formats.scanner import Record, Stretch
from etl.sources.formats.tables import BEHIND, may_repeat, second_header, telling
from etl.sources.formats.totals import check_count

#: So many records are in one stretch.
_STRETCH_RECORDS = 10_000


class Lines(NamedTuple):
    """What a source says of its lines; each does nothing by default."""

    #: Lines that are the header again are not records.
    repeated_headers: bool = False
    #: The last columns, which a record may lack; all of them if True.
    trimmed: bool | Sequence[str] = False
    #: The column of the number of a record's line.
    line_number: str = ""
    #: The cell that says the type of a line: its number from 1, or its column.
    record_type: int | str | None = None
    record: str = ""
    ignored: Sequence[str] = ()
    #: The type of the last line, and the number of the cell in which it counts the records.
    trailer: tuple[str, int] | None = None
    #: Whether every line ends in a delimiter.
    trailing: bool = False


class CsvLines(CsvFile):
    """A delimited file whose records are found line by line; see CsvFile."""

    def __init__(self, told: Lines, **options: Any) -> None:
        self._told = told
        #: The lines that records of a copy are said to have.
        self._renumbered: Mapping[int, int] = MappingProxyType({})
        super().__init__(**options)

    def number_as(self, lines: Mapping[int, int]) -> None:
        """Give records the numbers of other lines: those that they had in the file that they were taken from."""
        self._renumbered, self._read_by = lines, None

    def _counted(self, content: FileText, layout: Layout) -> None:
        self._is_estimated = False
        told, columns = self._told, self.columns
        if told.trailing and not layout.names and columns[-1:] == ("",):
            columns = columns[:-1]
        self._width, self._least = len(columns), self._least_cells(columns)
        self._type_at = self._place_of_type(columns)
        self._dialect = self._dialect._replace(width=None)
        self.columns = (*columns, told.line_number) if told.line_number else columns

    def _is_plain(self, content: FileText) -> bool:
        return False

    @cached_property
    def _items(self) -> list[Stretch | Record]:
        items: list[Stretch | Record] = []
        with self._content() as content:
            for item in without_merged(content, self._stretches(content), self._dialect):
                items.append(item)
                self._limit.check_items(len(items))
        return items

    def _stretches(self, content: FileText) -> Iterator[Stretch | Record]:
        """Yield stretches of sound records that nothing lies between, and each broken record."""
        stretch: Stretch | None = None
        for record in self._taken(content):
            is_next = stretch and stretch.end == record.start and stretch.records < _STRETCH_RECORDS
            if stretch and is_next and not record.problem:
                stretch = stretch._replace(end=record.end, records=stretch.records + 1)
                continue
            if stretch:
                yield stretch
            stretch = None if record.problem else Stretch(record.start, record.end, record.line, 1)
            if record.problem:
                yield record
        if stretch:
            yield stretch

    def _taken(self, content: FileText) -> Iterator[Record]:
        """Yield the records, sound and broken; what is none is counted as skipped."""
        types = _Types(self._told, self._limit.path, lambda cells: "".join(self._shown(cells)))
        tells = [(telling(header, self._dialect), header) for header in self._body.headers]
        second = ""
        start, end, line = self._body.start, self._body.end, self._body.line
        while start < end:
            step = splitter.step(content, start, end, line, self._dialect)
            record, lines = step.record, step.lines
            text = splitter.without_line_end(content[record.start : record.end])
            # of files that were put one behind another each may begin with a mark
            bare = text.removeprefix(codecs.BOM_UTF8)
            like = [header for tell, header in tells if tell in bare and may_repeat(bare, header, self._dialect)]
            is_skipped = step.skipped or (not second and bool(like) and self._is_header(bare))
            cells = splitter.raw_cells(text, self._dialect)
            if not is_skipped and not second and self._begins_table(content, record, bare, cells, like):
                second = f"a second table begins on line {line}"
            if not is_skipped:
                kind = self._kind(cells)
                swallowed = lines > 1 and kind != self._told.record and self._holds_records(text)
                is_skipped = not second and not swallowed and types.passes(kind, line, cells)
                problem = second or record.problem or types.problem(kind) or self._problem(text, cells)
                if problem and not is_skipped and lines > 1:
                    # what a stray quote has swallowed is looked at again
                    lines = 1
                    record = record._replace(end=splitter.line_end(content, record.start, end))
                if not is_skipped:
                    types.records += kind == self._told.record
                    yield record._replace(problem=problem)
            self._traits.rows += 1
            self._traits.skipped += is_skipped
            self._traits.has_quotes |= bool(self._dialect.quote) and self._dialect.quote in text
            start, line = record.end, line + lines
        types.check_end()

    def _is_header(self, text: bytes) -> bool:
        """Return whether a line is one of the header's, as those of files that were put one behind another are."""
        return self._told.repeated_headers and tuple(splitter.cells(text, self._dialect)) in self._body.headers

    def _begins_table(
        self,
        content: FileText,
        record: Record,
        text: bytes,
        cells: Sequence[bytes],
        like: Sequence[Sequence[str]],
    ) -> bool:
        """Return whether a line names the columns of another table; `like` are the headers that it may be."""
        if like:
            found = sorted(filter(None, splitter.cells(text, self._dialect)))
            if any(found == sorted(filter(None, header)) for header in like):
                return True
        is_fit = not record.problem and self._least <= len(cells) - self._told.trailing <= self._width
        if is_fit or not self._body.headers:
            return False
        headers = [list(filter(None, header)) for header in self._body.headers]
        return second_header(content, record, self._body, headers, self._dialect) is not None

    def _holds_records(self, text: bytes) -> bool:
        """Return whether a line of several, which is no record, has swallowed some for a stray quote."""
        return any(
            self._kind(splitter.raw_cells(line, self._dialect)) == self._told.record for line in text.split(b"\n")
        )

    def _kind(self, cells: Sequence[bytes]) -> str:
        """Return the type of a line; that of records where lines have none."""
        if self._type_at is None:
            return self._told.record
        return self._shown(cells[self._type_at : self._type_at + 1] or [b""])[0]

    def _shown(self, cells: Sequence[bytes]) -> list[str]:
        return [splitter.unquoted(cell, self._dialect).decode("utf-8", "backslashreplace") for cell in cells]

    def _problem(self, text: bytes, cells: Sequence[bytes]) -> str:
        """Return what is wrong with a record whose quotes are in order; empty if nothing is."""
        trailing = self._told.trailing
        if trailing and (len(cells) < 2 or cells[-1]):
            return BEHIND
        if not self._least <= len(cells) - trailing <= self._width:
            return splitter.wrong_width(len(cells) - trailing, self._width)
        return rewriting.problem(text, self._dialect) if self._dialect.grammar else ""

    def _copied(self, content: bytes | FileText, stretch: Stretch) -> bytes:
        data = content[stretch.start : stretch.end]
        records = self._records(data, stretch._replace(start=0, end=len(data)))
        return b"".join(self._copied_record(data, record) for record in records)

    def _copied_record(self, data: bytes, record: Record) -> bytes:
        """Return a record with all its cells and the number of its line, as DuckDB reads it rightly."""
        dialect, told = self._dialect, self._told
        text = splitter.without_line_end(data[record.start : record.end])
        cells = splitter.raw_cells(text, dialect)
        if told.trailing:
            cells, text = cells[:-1], text[: -len(dialect.delimiter)]
        if dialect.grammar:
            alone = Record(0, 0, len(text), "")
            text = rewriting.rewritten(text, [alone], self._marks.nulls, dialect).removesuffix(b"\n")
        elif dialect.escape and dialect.quote:
            text = rewriting.requoted(text, dialect)
        missing = [self._marks.nulls[0].encode()] * (self._width - len(cells))
        number = [str(self._renumbered.get(record.line, record.line)).encode()] if told.line_number else []
        return dialect.delimiter.join([text, *missing, *number]) + b"\n"

    def _least_cells(self, columns: Sequence[str]) -> int:
        """Return the fewest cells of a record. Raises UnreadableError if those that may lack are not the last."""
        trimmed = self._told.trimmed
        if isinstance(trimmed, bool):
            return 1 if trimmed else len(columns)
        least = len(columns) - len(trimmed)
        if set(columns[least:]) != set(trimmed):
            raise UnreadableError(
                f"{self._limit.path} does not end in the columns of trimmed={list(trimmed)}: its columns are "
                f"{', '.join(columns[-20:])}. Only the last columns of a line can be missing."
            )
        return max(least, 1)

    def _place_of_type(self, columns: Sequence[str]) -> int | None:
        at = self._told.record_type
        if isinstance(at, str):
            if at not in columns:
                raise UnreadableError(
                    f"{self._limit.path} has no column {at!r}, which record_type= names: its columns are "
                    f"{', '.join(columns[:20])}. Correct the format, or ask for the file with that column."
                )
            return columns.index(at)
        return None if at is None else at - 1


class _Types:
    """The types of the lines of a file, in order, and the count in its trailer."""

    def __init__(self, told: Lines, path: object, count: Callable[[Sequence[bytes]], str]) -> None:
        self._told, self._path, self._count = told, path, count
        self._is_over = False
        self.records = 0

    def passes(self, kind: str, line: int, cells: Sequence[bytes]) -> bool:
        """Return whether a line is not a record. Raises UnreadableError for a trailer with another count."""
        if self._told.record_type is None or self._is_over:
            return False
        if self._told.trailer and kind == self._told.trailer[0]:
            at = self._told.trailer[1]
            check_count(self._path, f"the trailer in line {line}", self._count(cells[at - 1 : at]), self.records)
            self._is_over = True
            return True
        return kind in self._told.ignored

    def problem(self, kind: str) -> str:
        """Return what is wrong with a line of a type."""
        if self._is_over:
            return "it is behind the trailer"
        return "" if kind == self._told.record else f"record type {kind!r} is not declared"

    def check_end(self) -> None:
        """Raise UnreadableError for a file without its trailer."""
        if self._told.trailer and not self._is_over:
            raise UnreadableError(
                f"{self._path} ends without its trailer {self._told.trailer[0]!r}; it was cut off. "
                "Ask for it again."
            )
