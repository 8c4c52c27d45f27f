"""Delimited text: the declared dialect, and the proof that DuckDB reads a file right.

DuckDB's reader shifts or swallows records of malformed files without a word, so it only gets files, or
copies of those parts of files, whose records are known to be sound.
"""

from __future__ import annotations

import codecs
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from etl.errors import ContractError
from etl.formats import splitter
from etl.formats.format import Record
from etl.quoting import literal

_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True)
class Csv:
    """The dialect of a source's files: UTF-8, with or without a byte order mark.

    `quote` may be empty: then nothing quotes. A cell equal to (one of) `null` is null, unless it is quoted.
    Without a header the columns come in the contract's order. Raises ContractError for a wrong option.
    """

    delimiter: str = ","
    quote: str = '"'
    header: bool = True
    null: str | Sequence[str] = ""

    # empty: DuckDB takes the first line end that it finds, which may be one within a quoted cell
    _line_end: ClassVar[str] = ""

    def __post_init__(self) -> None:
        # lists come back from JSON
        object.__setattr__(self, "null", self.null if isinstance(self.null, str) else tuple(self.null))
        # the limits are those of DuckDB's reader
        if not 1 <= len(self.delimiter.encode()) <= 4 or set(self.delimiter) & {"\n", "\r", "\0", self.quote}:
            raise ContractError(f"Csv(delimiter={self.delimiter!r}) is not 1 to 4 bytes within a line.")
        if len(self.quote.encode()) > 1 or self.quote in ("\n", "\r", "\0"):
            raise ContractError(f"Csv(quote={self.quote!r}) is not one ASCII character or empty.")
        if not self._nulls or any(self._is_ambiguous(text) for text in self._nulls if text):
            raise ContractError(f"Csv(null={self.null!r}) is empty or holds the delimiter or the quote.")

    def columns(self, path: Path, expected: Sequence[str]) -> list[str]:
        """Return the header's names, unquoted, or `expected` if the dialect has no header."""
        if not self.header:
            return list(expected)
        with path.open("rb") as file:
            line = file.readline().removeprefix(codecs.BOM_UTF8).splitlines()
        return splitter.cells(line[0], self.delimiter, self.quote) if line else []

    def prove(self, path: Path, width: int) -> int | None:
        """Return the number of records if every one has `width` cells for certain, else None.

        In a file without quotes, blank lines, mixed line ends or invalid text, delimiters = lines x
        (width - 1) leaves nothing that DuckDB's strict mode would not refuse. Other files are split.
        """
        counted = self._count(path)
        if counted is not None:
            lines, delimiters = counted
            return max(lines - self.header, 0) if delimiters == lines * (width - 1) else None
        records = 0
        for record in self.records(path, width):
            if record.problem:
                return None
            records += 1
        return records

    def relation(self, paths: Sequence[Path], columns: Sequence[str]) -> str:
        """Return a read_csv() call with every option given: nothing is sniffed, ignored or padded."""
        types = ", ".join(f"{literal(name)}: 'varchar'" for name in columns)
        options = {
            "columns": f"{{{types}}}",
            "auto_detect": "false",
            "delim": literal(self.delimiter),
            "quote": literal(self.quote),
            "escape": literal(self.quote),
            "header": literal(self.header),
            "nullstr": literal(self._nulls),
            "allow_quoted_nulls": "false",
            "strict_mode": "true",
            **({"new_line": literal(self._line_end)} if self._line_end else {}),
        }
        files = literal([str(path) for path in paths])
        return f"read_csv({files}, {', '.join(f'{name} = {value}' for name, value in options.items())})"

    def records(self, path: Path, width: int | None) -> Iterator[Record]:
        """Yield the records below the header, sound or not; blank lines are none."""
        if path.stat().st_size == 0:
            return
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            start = len(codecs.BOM_UTF8) if content[:3] == codecs.BOM_UTF8 else 0
            is_header = self.header
            for record in splitter.split(content, start, self.delimiter, self.quote, width):
                if not content[record.start : record.end].strip(b"\r\n"):
                    continue
                if not is_header:
                    yield record
                is_header = False

    def rewrite(self, path: Path, records: Sequence[Record], target: Path) -> Csv:
        """Copy sound records to `target`, each ended by a line feed; return the dialect that reads it."""
        with path.open("rb") as source, target.open("wb") as file:
            for record in records:
                source.seek(record.start)
                file.write(source.read(record.end - record.start).rstrip(b"\r\n") + b"\n")
        return _Copy(**vars(replace(self, header=False)))

    def text(self, content: bytes) -> str:
        """Return a record's original text, without its line end, undecodable bytes as \\xNN."""
        return content.decode("utf-8", "backslashreplace").rstrip("\r\n")

    @property
    def _nulls(self) -> list[str]:
        return [self.null] if isinstance(self.null, str) else list(self.null)

    def _is_ambiguous(self, null: str) -> bool:
        return self.delimiter in null or null in self.delimiter or bool(self.quote and self.quote in null)

    def _count(self, path: Path) -> tuple[int, int] | None:
        """Return lines and delimiters, or None for a file that counting cannot prove."""
        newlines = returns = pairs = delimiters = 0
        last = b""
        decoder = codecs.getincrementaldecoder("utf-8")()
        delimiter, quote = self.delimiter.encode(), self.quote.encode()
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                seam = last + block
                if b"\0" in block or (quote and quote in block) or b"\n\n" in seam or b"\n\r" in seam:
                    return None
                newlines += block.count(b"\n")
                returns += block.count(b"\r")
                pairs += seam.count(b"\r\n")
                delimiters += block.count(delimiter)
                if not _decodes(decoder, block):
                    return None
                last = block[-1:]
        if decoder.getstate()[0] or not (returns == pairs and returns in (0, newlines)):
            return None
        return newlines + (last not in (b"", b"\n")), delimiters


@dataclass(frozen=True)
class _Copy(Csv):
    """The dialect of what rewrite() writes."""

    _line_end: ClassVar[str] = r"\n"


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes) -> bool:
    # ASCII, most of the world's raw files, is told ten times faster than it is decoded
    if block.isascii() and not decoder.getstate()[0]:
        return True
    try:
        decoder.decode(block)
    except UnicodeDecodeError:
        return False
    return True
