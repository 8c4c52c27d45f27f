"""A delimited file, taken apart: the proof that DuckDB reads it right, or a copy of which that is known.

DuckDB's reader shifts or swallows records of malformed files without a word, so it only gets files, or
copies of those parts of files, whose records were found to be sound without it.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from etl.sources.formats import plain, rewriting
from etl.sources.formats.csv_reader import CsvReader
from etl.sources.formats.file_text import FileText
from etl.sources.formats.format import Fault, Place, Skipped
from etl.sources.formats.head import Layout, find_body, physical_lines, text_start
from etl.sources.formats.limits import Limit
from etl.sources.formats.scanner import Dialect, Record, Stretch, Traits, normalized, record_spans
from etl.sources.formats.tables import first_table, may_repeat

#: Up to this size, counting bytes is quicker than importing numpy to do so.
_SMALL_BYTES = 4 << 20


class CsvFile:
    """A delimited file whose records are found; `path` is its text in UTF-8."""

    #: A header names all columns.
    extras: Mapping[str, int] = MappingProxyType({})

    def __init__(
        self,
        path: Path,
        dialect: Dialect,
        layout: Layout,
        reader: CsvReader,
        expected: Sequence[str],
        encoding: str,
        scratch: Path,
        limit: Limit,
    ) -> None:
        self._limit = limit
        self.path, self.file, self.reader = path, path, reader
        self._encoding, self._copy = encoding, scratch.with_name(scratch.name + ".copy")
        self._scratch = scratch
        with self._content() as content:
            self._body = find_body(content, layout, dialect)
            names = self._body.names
            self.columns = tuple(expected) if names is None else names
            if reader.trailing and names and not layout.names and names[-1] == "":
                self.columns = names[:-1]
            self._limit.check_columns(self.columns)
            self._dialect = dialect._replace(width=len(self.columns) + reader.trailing)
            self._traits = Traits()
            self.broken = 0
            counted = self._counted(content, layout) if self.columns else None
        self.reader = replace(reader, skip=self._body.line - 1)
        self._is_verified = counted is None
        self.sound = self._body_lines = counted or 0
        self.skipped = self._body.skipped
        if self._is_verified:
            self._find_records()

    @property
    def lines(self) -> int:
        """The lines of the file; a record counts as one."""
        return self._body.skipped + self._body_lines

    def verify(self) -> None:
        """Look at every record, if they were only counted."""
        if not self._is_verified:
            self._is_verified = True
            self._find_records()

    def faults(self) -> Iterator[Fault]:
        """Yield the broken records, in order."""
        with self._content() as content:
            for item in self._items:
                if isinstance(item, Record):
                    yield self._fault(content, item)

    def places(self, numbers: Sequence[int]) -> Iterator[Place]:
        """Yield the sound records with these numbers, which ascend."""
        before = position = 0
        with self._content() as content:
            for stretch in self._items:
                if isinstance(stretch, Record):
                    continue
                first = position
                while position < len(numbers) and numbers[position] < before + stretch.records:
                    position += 1
                if position > first:
                    chosen = [number - before for number in numbers[first:position]]
                    for record in self._records(content, stretch, chosen):
                        yield self._fault(content, record).place
                before += stretch.records

    def everything(self) -> Iterator[Fault]:
        """Yield all records, sound and broken, in order."""
        with self._content() as content:
            for item in self._items:
                for record in self._records(content, item) if isinstance(item, Stretch) else [item]:
                    yield self._fault(content, record)

    def blank(self) -> Sequence[str]:
        """Return no column: the file names them in one place."""
        return ()

    def skips(self, headers: bool = True) -> Sequence[Skipped]:
        """Return the lines that are skipped by their number alone."""
        wanted = [skip for skip in self._body.skips if headers or skip.role != "names"]
        if not wanted:
            return []
        comment, found, line = self._dialect.comment, [], 1
        with self._content() as content:
            position = text_start(content)
            for start, end, option, role in wanted:
                line, position = line + physical_lines(content, position, start), start
                place = self._fault(content, Record(line, start, end, "")).place
                if place.text.strip() and not (comment and content[start:end].startswith(comment)):
                    found.append(Skipped(place, option, role))
        return found

    def close(self) -> None:
        """Delete the copies of the file."""
        self._copy.unlink(missing_ok=True)
        self._scratch.unlink(missing_ok=True)

    def _find_records(self) -> None:
        self.sound = sum(item.records for item in self._items if isinstance(item, Stretch))
        self.broken = sum(isinstance(item, Record) for item in self._items)
        self._body_lines = self._traits.rows
        self.skipped = self._body.skipped + self._traits.skipped
        with self._content() as content:
            if not self._is_plain(content):
                self._write_copy(content)
                self.file, self.reader = self._copy, replace(self.reader, skip=0, line_end=r"\n")
                if self._dialect.grammar:
                    self.reader = replace(self.reader, quote='"', escape='"')
            elif self._traits.newlines == {b"\n"}:
                self.reader = replace(self.reader, line_end=r"\n")

    @cached_property
    def _items(self) -> list[Stretch | Record]:
        with self._content() as content:
            found = first_table(
                content, self._body, self.columns, self._dialect, self.reader.trailing, self._traits
            )
            items = []
            for item in found:
                items.append(item)
                self._limit.check_items(len(items))
            return items

    def _content(self) -> FileText:
        return FileText(self.path)

    def _counted(self, content: bytes | FileText, layout: Layout) -> int | None:
        """Return the records of a small file if counting proves that DuckDB reads it right, else None.

        In text without quotes, blank lines, mixed line ends, second headers or invalid UTF-8, delimiters =
        lines x (width - 1) leaves nothing that DuckDB's strict mode would not refuse.
        """
        body, dialect = self._body, self._dialect
        if len(content) > _SMALL_BYTES or dialect.comment or layout.footer or self.reader.trailing:
            return None
        data = content[body.start : body.end]
        if body.end < len(content) or (dialect.grammar and dialect.escape in content[: body.end]):
            return None
        if b"\0" in data or (dialect.quote and dialect.quote in content[: body.end]):
            return None
        lines, returns = data.count(b"\n"), data.count(b"\r")
        if returns not in (0, lines) or data.count(b"\r\n") != returns or data[:1] in (b"\r", b"\n"):
            return None
        if b"\n\n" in data or b"\n\r" in data or not _decodes(data):
            return None
        if any(may_repeat(data, header, dialect) for header in body.headers):
            return None
        lines += data[-1:] not in (b"", b"\n")
        is_exact = data.count(dialect.delimiter) == lines * (len(self.columns) - 1)
        return lines if is_exact and self._is_head_plain(content, returns > 0) else None

    def _is_head_plain(self, content: bytes | FileText, has_returns: bool) -> bool:
        """Return whether the lines above the records are as many for DuckDB as for us."""
        head = content[: self._body.start]
        lines = self._body.line - 1
        return (
            self._body.is_sound
            and head.count(b"\n") == lines
            and head.count(b"\r") == (lines if has_returns else 0)
        )

    def _is_plain(self, content: FileText) -> bool:
        """Return whether DuckDB can read the file as it is: nothing is broken, and no line end is ambiguous."""
        traits, newlines = self._traits, self._traits.newlines
        if self.broken or len(newlines) > 1 or traits.has_gaps or self._body.end < len(content):
            return False
        dialect = self._dialect
        if dialect.escape and (traits.has_quotes or dialect.grammar) and content.find(dialect.escape, 0) >= 0:
            return False
        if traits.has_quoted_newlines and newlines != {b"\n"}:
            return False
        if newlines == {b"\r"}:
            head = content[: self._body.start]
            return self._body.is_sound and b"\n" not in head and head.count(b"\r") == self._body.line - 1
        return self._is_head_plain(content, newlines == {b"\r\n"})

    def _write_copy(self, content: bytes | FileText) -> None:
        with self._copy.open("wb") as file:
            # DuckDB drops one mark; a second one at the start belongs to a cell
            file.write(codecs.BOM_UTF8)
            for item in self._items:
                if isinstance(item, Stretch):
                    file.write(self._copied(content, item))

    def _copied(self, content: bytes | FileText, stretch: Stretch) -> bytes:
        """Return the records of a stretch as DuckDB reads them rightly."""
        data, dialect = content[stretch.start : stretch.end], self._dialect
        if dialect.grammar and (dialect.escape in data or b'"' in data):
            return rewriting.rewritten(
                data, self._records(data, Stretch(0, len(data), 0, 0)), self.reader.nulls, dialect
            )
        data = normalized(data, dialect)
        return rewriting.requoted(data, dialect) if dialect.escape and dialect.quote else data

    def _records(
        self, content: bytes | FileText, stretch: Stretch, chosen: Sequence[int] | None = None
    ) -> Iterator[Record]:
        """Yield the records of a stretch, all or the chosen ones by their number in it."""
        columns = record_spans(content[stretch.start : stretch.end], self._dialect)
        starts, ends, lines = (column if chosen is None else column[chosen] for column in columns)
        for start, end, line in zip(starts.tolist(), ends.tolist(), lines.tolist(), strict=True):
            yield Record(stretch.line + line, stretch.start + start, stretch.start + end, "")

    def _fault(self, content: bytes | FileText, record: Record) -> Fault:
        line = content[record.start : record.end]
        # exactly one line end: what else is there belongs to the text
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        return Fault(
            Place(record.line, *plain.shown(plain.original(text, self._encoding), self._encoding)), record.problem
        )


def _decodes(data: bytes) -> bool:
    # ASCII, most of the world's raw files, is told ten times faster than it is decoded
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
