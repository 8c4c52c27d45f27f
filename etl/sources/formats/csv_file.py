"""A delimited file, taken apart: the proof that DuckDB reads it right, or a copy of which that is known.

DuckDB's reader shifts or swallows records of malformed files without a word, so it only gets files, or
copies of those parts of files, whose records were found to be sound without it.
"""

from __future__ import annotations

import codecs
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from etl.sources.formats import plain, rewriting
from etl.sources.formats.blocks import Block, Marks, block_bytes
from etl.sources.formats.counted import SMALL_BYTES, blocks, counted, estimated, is_head_plain
from etl.sources.formats.csv_reader import CsvReader
from etl.sources.formats.file_text import FileText
from etl.sources.formats.format import Fault, Place, Skipped
from etl.sources.formats.head import Layout, find_body, physical_lines, text_start
from etl.sources.formats.limits import Limit
from etl.sources.formats.scanner import Dialect, Record, Stretch, Traits, line_spans, normalized, record_spans
from etl.sources.formats.tables import first_table
from etl.sources.formats.totals import check_count


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
        self.path = path
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
            self._marks = Marks(reader.delimiter, reader.quote, reader.nulls, reader.trailing)
            self._traits = Traits()
            self.broken = 0
            counted = self._counted(content, layout)
        self._reader = replace(reader, skip=self._body.line - 1)
        self._read_by: tuple[Path, CsvReader] | None = None
        self._is_verified = counted is None
        self.sound = self._body_lines = counted or 0
        self.skipped = self._body.skipped
        if self._is_verified:
            self._find_records()
        for option, what, count in self._body.counts:
            self.verify()
            found = self.sound + self.broken if what == "records" else self.lines
            check_count(limit.path, f"the {option}", count, found, what)

    def _counted(self, content: FileText, layout: Layout) -> int | None:
        body, dialect, marks = self._body, self._dialect, self._marks
        self._is_estimated = False
        if not self.columns or dialect.comment:
            return None
        if len(content) > SMALL_BYTES:
            self._is_estimated = marks.is_readable
            return estimated(content, body, dialect, self.columns) if marks.is_readable else None
        has_more = layout.footer or marks.trailing
        return None if has_more else counted(content, body, dialect, self.columns)

    @property
    def file(self) -> Path:
        """Where DuckDB reads the sound records: the file itself, or a copy of what is sound in it."""
        return self._readable()[0]

    @property
    def reader(self) -> CsvReader:
        """How DuckDB reads them."""
        return self._readable()[1]

    @property
    def in_blocks(self) -> CsvFile | None:
        """The file itself, if Arrow's parser knows its dialect."""
        return self if self._marks.is_readable and self.columns else None

    @property
    def marks(self) -> Marks:
        """The dialect of blocks()."""
        if self._is_verified and self._dialect.grammar:
            return self._marks._replace(quote='"')
        has_quotes = self._is_verified and self._traits.has_quotes
        return self._marks if has_quotes else self._marks._replace(quote="")

    def blocks(self) -> Iterator[Block]:
        """Yield the sound records, in order."""
        with self._content() as content:
            if not self._is_verified:
                yield from blocks(content, self._body, len(self.columns))
                return
            parts, records, most = [], 0, block_bytes(len(self.columns))
            for item in self._items:
                if isinstance(item, Stretch):
                    parts.append(self._alone(content, item))
                    records += item.records
                    if sum(map(len, parts)) >= most:
                        yield Block(b"".join(parts), records)
                        parts, records = [], 0
            if records:
                yield Block(b"".join(parts), records)

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
                first, position = position, bisect_left(numbers, before + stretch.records, position)
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
        self._read_by = None

    def _readable(self) -> tuple[Path, CsvReader]:
        """Return the file that DuckDB reads, and how; a copy is written when it is asked for."""
        if self._is_estimated:
            self.verify()
        if self._read_by is None:
            self._read_by = self._chosen()
        return self._read_by

    def _chosen(self) -> tuple[Path, CsvReader]:
        if not self._is_verified:
            return self.path, self._reader
        with self._content() as content:
            if self._is_plain(content):
                is_known = self._traits.newlines == {b"\n"}
                return self.path, replace(self._reader, line_end=r"\n") if is_known else self._reader
            self._write_copy(content)
        reader = replace(self._reader, skip=0, line_end=r"\n")
        return self._copy, replace(reader, quote='"', escape='"') if self._dialect.grammar else reader

    @cached_property
    def _items(self) -> list[Stretch | Record]:
        with self._content() as content:
            found = first_table(
                content, self._body, self.columns, self._dialect, self._marks.trailing, self._traits
            )
            items = []
            for item in found:
                items.append(item)
                self._limit.check_items(len(items))
            return items

    def _content(self) -> FileText:
        return FileText(self.path)

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
        return is_head_plain(content, self._body, newlines == {b"\r\n"})

    def _write_copy(self, content: bytes | FileText) -> None:
        with self._copy.open("wb") as file:
            # DuckDB drops one mark; a second one at the start belongs to a cell
            file.write(codecs.BOM_UTF8)
            for item in self._items:
                if isinstance(item, Stretch):
                    file.write(self._copied(content, item))

    def _alone(self, content: FileText, stretch: Stretch) -> bytes:
        """Return _copied(), without a look at what the scan has told."""
        traits, dialect = self._traits, self._dialect
        is_normal = traits.newlines == {b"\n"} and not traits.has_gaps and not dialect.escape
        data = content[stretch.start : stretch.end] if is_normal else b""
        return data if data.endswith(b"\n") else self._copied(content, stretch)

    def _copied(self, content: bytes | FileText, stretch: Stretch) -> bytes:
        """Return the records of a stretch as DuckDB reads them rightly."""
        data, dialect = content[stretch.start : stretch.end], self._dialect
        if dialect.grammar and (dialect.escape in data or b'"' in data):
            return rewriting.rewritten(
                data, self._records(data, Stretch(0, len(data), 0, 0)), self._marks.nulls, dialect
            )
        data = normalized(data, dialect)
        return rewriting.requoted(data, dialect) if dialect.escape and dialect.quote else data

    def _records(
        self, content: bytes | FileText, stretch: Stretch, chosen: Sequence[int] | None = None
    ) -> Iterator[Record]:
        """Yield the records of a stretch, all or the chosen ones by their number in it."""
        if isinstance(content, FileText):
            # who asks for the records then asks for their texts
            content.around(stretch.start, stretch.end - stretch.start)
        data, traits = content[stretch.start : stretch.end], self._traits
        is_lines = traits.newlines == {b"\n"} and not (
            traits.has_gaps or traits.has_quotes or self._dialect.grammar
        )
        columns = line_spans(data) if is_lines else record_spans(data, self._dialect)
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
