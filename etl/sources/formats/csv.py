"""Delimited text: the dialect that a source declares, and how DuckDB is told to read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.contract.values import later
from etl.errors import ContractError
from etl.sources.formats.escapes import GRAMMARS, MARK, NO_DELIMITERS
from etl.sources.formats.plain import TextFile, check_pattern, exact_encoding, plain

if TYPE_CHECKING:
    from etl.sources.formats.csv_file import CsvFile
    from etl.sources.formats.csv_small import SmallTexts
    from etl.sources.formats.splitter import Dialect

_LINE_ENDS = ("\n", "\r", "\0")
#: What DuckDB takes without being told otherwise.
DEFAULT_RECORD_BYTES = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Csv(TextFile):
    """The dialect of a source's files; nothing is sniffed.

    `delimiter` is 1 to 4 bytes. `quote` may be empty: then nothing quotes. In a quoted cell a quote is doubled,
    or follows `escape`, which before anything else is itself. `escapes` is "copy" or "mysql", for text without
    quotes that PostgreSQL's COPY or MySQL's OUTFILE wrote: a backslash then takes what follows with it, and
    null is \\N by default. `header` is whether there is a header line, or how many lines it has (their names are
    joined by a space); with `names` the columns are named here, in the file's order, and the header is not read.
    Without either the columns come in the contract's order. The `preamble` above the header and the `footer` are
    no records: so many lines, or the first and last lines that match a regular expression; nor are lines that
    start with `comment`. A cell equal to (one of) `null` is null, unless it is quoted. With
    `trailing_delimiter` every line ends in one.
    A pattern of the `preamble` or the `footer` can count, in a group called `records` or `lines`: a file that has
    another number of them is refused. With `repeated_headers` lines that are the header again are no records.
    `trimmed` names the last columns, which a line may lack: they are null; True lets a line lack any.
    `line_number` names a column that the file does not have, of the number of each record's line. With
    `record_type`, a cell by its number from 1 or its column, lines of type `record` are records, `ignored` ones
    are none, all others are broken; `trailer` is the type of the last line, and the number of the cell in which
    it counts the records. Raises ContractError for a wrong option.
    """

    delimiter: str = ","
    quote: str = '"'
    header: bool | int = True
    null: str | Sequence[str] = ""
    escape: str = ""
    names: Sequence[str] = ()
    preamble: int | str = 0
    footer: int | str = 0
    comment: str = ""
    trailing_delimiter: bool = False
    escapes: str = ""
    max_record_bytes: int = later(DEFAULT_RECORD_BYTES)
    repeated_headers: bool = later(False)
    trimmed: bool | Sequence[str] = later(False)
    line_number: str = later("")
    record_type: int | str | None = later(None)
    record: str = later("")
    ignored: Sequence[str] = later(())
    trailer: tuple[str, int] | None = later(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        # lists come back from JSON
        object.__setattr__(self, "null", self.null if isinstance(self.null, str) else tuple(self.null))
        for name in ("names", "ignored", "trimmed", "trailer"):
            if isinstance(given := getattr(self, name), list):
                object.__setattr__(self, name, tuple(given))
        object.__setattr__(self, "names", tuple(self.names))
        if self.escape == self.quote:
            object.__setattr__(self, "escape", "")  # which says that it is doubled
        if self.escapes and self.null == "":
            object.__setattr__(self, "null", "\\N")
        self._check_marks()
        self._check_escapes()
        self._check_lines()

    def _check_marks(self) -> None:
        # the limits are those of DuckDB's reader
        if not 1 <= len(self.delimiter.encode()) <= 4 or set(self.delimiter) & {*_LINE_ENDS, self.quote}:
            raise ContractError(f"Csv(delimiter={self.delimiter!r}) is not 1 to 4 bytes within a line.")
        for name in ("quote", "escape"):
            mark = getattr(self, name)
            if len(mark.encode()) > 1 or mark in _LINE_ENDS:
                raise ContractError(f"Csv({name}={mark!r}) is not one ASCII character or empty.")
        if self.escape and (not self.quote or self.escape in self.delimiter):
            raise ContractError(f"Csv(escape={self.escape!r}) needs a quote, and must not be in the delimiter.")
        if not self.nulls or any(self._is_ambiguous(text) for text in self.nulls if text):
            raise ContractError(f"Csv(null={self.null!r}) is empty or holds the delimiter or the quote.")
        if set(self.comment) & {*_LINE_ENDS, self.quote} or self.comment.startswith(self.delimiter):
            raise ContractError(f"Csv(comment={self.comment!r}) cannot begin a line of comment.")

    def _check_escapes(self) -> None:
        if not self.escapes:
            return
        if self.escapes not in GRAMMARS:
            raise ContractError(f"Csv(escapes={self.escapes!r}) is not one of {', '.join(GRAMMARS)}.")
        if self.quote or self.escape or self.trailing_delimiter:
            raise ContractError(
                f"Csv(escapes={self.escapes!r}) is of text without quotes: say quote='', and neither escape= nor "
                "trailing_delimiter=."
            )
        if len(self.delimiter) != 1 or self.delimiter in NO_DELIMITERS or not self.delimiter.isascii():
            raise ContractError(
                f"Csv(escapes={self.escapes!r}, delimiter={self.delimiter!r}): a letter, a digit, a point or a "
                "backslash cannot be a delimiter here, nor can several characters; COPY's own is a tab."
            )
        if any('"' in null for null in self.nulls):
            raise ContractError(f"Csv(escapes={self.escapes!r}, null={self.null!r}) holds a quote.")

    def _check_lines(self) -> None:
        for name in ("header", "preamble", "footer"):
            number = getattr(self, name)
            if isinstance(number, str) and name != "header" and not number.isdecimal():
                check_pattern(f"Csv({name}={number!r})", number)
            elif number not in range(1001):
                raise ContractError(f"Csv({name}={number!r}) is not a number of lines from 0 to 1000.")
        if len(set(self.names)) < len(self.names):
            raise ContractError(f"Csv(names={list(self.names)}) names a column twice.")
        self._check_kinds()

    def _check_kinds(self) -> None:
        if self.line_number in self.names:
            raise ContractError(
                f"Csv(line_number={self.line_number!r}) is a column of the file. Take another name."
            )
        if isinstance(self.trimmed, str):
            raise ContractError(f"Csv(trimmed={self.trimmed!r}) is not a list of columns, or True.")
        if self.record_type is None:
            if self.record or self.ignored or self.trailer:
                raise ContractError("Csv(record_type=...) is missing: in which cell does a line say its type?")
            return
        if isinstance(self.record_type, int) and self.record_type < 1:
            raise ContractError(f"Csv(record_type={self.record_type}) is not the number of a cell, from 1.")
        if isinstance(self.record_type, str) and self.names and self.record_type not in self.names:
            raise ContractError(f"Csv(record_type={self.record_type!r}) is not one of its names.")
        if self.trailer and not (len(self.trailer) == 2 and type(self.trailer[1]) is int and self.trailer[1] > 0):
            raise ContractError(
                f"Csv(trailer={self.trailer!r}) is not a type and the number of a cell from 1, such as ('T', 2)."
            )
        kinds = [self.record, *self.ignored, *([self.trailer[0]] if self.trailer else [])]
        if len(set(kinds)) < len(kinds) or not self.record:
            raise ContractError(
                f"Csv: the record types {', '.join(map(repr, kinds))} are not all different, or record= is empty."
            )

    @property
    def _is_by_lines(self) -> bool:
        """Whether a line has to be looked at alone to tell what it is."""
        by_lines = (self.repeated_headers, self.trimmed, self.line_number, self.record_type is not None)
        return any(by_lines)

    @property
    def nulls(self) -> tuple[str, ...]:
        """The texts that stand for null."""
        return (self.null,) if isinstance(self.null, str) else tuple(self.null)

    def open(self, path: Path, expected: Sequence[str], scratch: Path) -> CsvFile:
        """Take a file apart; the copies that this may need are at `scratch`."""
        from etl.sources.formats.csv_file import CsvFile
        from etl.sources.formats.csv_reader import CsvReader
        from etl.sources.formats.head import Layout
        from etl.sources.formats.limits import Limit

        try:
            text = plain(path, self.encoding, self.compression, scratch, self.max_expansion, self.member)
            encoding = exact_encoding(path, self.encoding, self.compression, self.member)
            layout = Layout(self.header, self.preamble, self.footer, self.names)
            # what the escape takes is written otherwise in a copy: DuckDB drops an escape before anything
            reader = CsvReader(
                delimiter=self.delimiter,
                quote=self.quote,
                escape=self.quote,
                nulls=self.nulls,
                trailing=self.trailing_delimiter,
                max_line_bytes=self.max_record_bytes if self.max_record_bytes > DEFAULT_RECORD_BYTES else 0,
            )
            options: dict[str, Any] = {
                "path": text,
                "dialect": self._dialect(),
                "layout": layout,
                "reader": reader,
                "expected": [name for name in expected if name != self.line_number],
                "encoding": encoding,
                "scratch": scratch,
                "limit": Limit(path, self.max_expansion),
            }
            if not self._is_by_lines:
                return CsvFile(**options)
            from etl.sources.formats.csv_lines import CsvLines, Lines

            # a copy has no delimiter behind its last cell
            told = {name: getattr(self, name) for name in Lines._fields if name != "trailing"}
            options["reader"] = replace(reader, trailing=False)
            return CsvLines(Lines(**told, trailing=self.trailing_delimiter), **options)
        except BaseException:
            for copy in (scratch, scratch.with_name(f"{scratch.name}.copy")):
                copy.unlink(missing_ok=True)
            raise

    def small_texts(self) -> SmallTexts | None:
        """Return what takes small files of this dialect from memory; None if that needs more than counting."""
        from etl.sources.formats.blocks import Marks
        from etl.sources.formats.csv_small import SmallTexts

        around = (self.names, self.preamble, self.footer, self.comment, self.trailing_delimiter, self.member)
        if self.header != 1 or any(around) or self.escape or self.escapes or self._is_by_lines:
            return None
        marks = Marks(self.delimiter, "", self.nulls)
        is_plain = marks.is_readable and self.encoding.lower() in ("utf-8", "utf8", "utf-8-sig")
        return SmallTexts(self._dialect(), marks, self.compression) if is_plain else None

    def record_format(self, columns: Sequence[str]) -> Csv:
        """Return the dialect of a record's text alone: the same, with nothing around the records."""
        names = tuple(name for name in columns if name != self.line_number)
        alone = replace(self, header=False, names=names, preamble=0, footer=0, comment="", trailer=None)
        return replace(alone, encoding="utf-8", compression="none", member="")

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        """Return a record's text with the cells of `hidden` columns replaced; None where they cannot be told."""
        from etl.sources.formats.redaction import redacted_cells

        names = [name for name in columns if name != self.line_number]
        least = 1 if self.trimmed is True else len(names) - len(self.trimmed or ())
        for width in range(len(names), min(least, len(names)) - 1, -1):
            found = redacted_cells(
                text, names[:width], hidden, self._dialect(), nulls=self.nulls, trailing=self.trailing_delimiter
            )
            if found is not None:
                return found
        return None

    def _dialect(self) -> Dialect:
        from etl.sources.formats.splitter import Dialect

        delimiter, quote, escape, comment = (
            mark.encode() for mark in (self.delimiter, self.quote, self.escape, self.comment)
        )
        escape = MARK if self.escapes else escape
        # behind a CRLF DuckDB takes some bytes fewer
        longest = 0 if self.max_record_bytes == DEFAULT_RECORD_BYTES else self.max_record_bytes - 10
        return Dialect(delimiter, quote, escape, comment, width=None, grammar=self.escapes, longest=longest)

    def _is_ambiguous(self, null: str) -> bool:
        return self.delimiter in null or null in self.delimiter or bool(self.quote and self.quote in null)
