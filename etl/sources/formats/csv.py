"""Delimited text: the dialect that a source declares, and how DuckDB is told to read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etl.contract.values import later
from etl.errors import ContractError
from etl.sources.formats.escapes import GRAMMARS, MARK, NO_DELIMITERS
from etl.sources.formats.plain import TextFile, check_pattern, exact_encoding, plain

if TYPE_CHECKING:
    from etl.sources.formats.csv_file import CsvFile
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
    `trailing_delimiter` every line ends in one. Raises ContractError for a wrong option.
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

    def __post_init__(self) -> None:
        super().__post_init__()
        # lists come back from JSON
        object.__setattr__(self, "null", self.null if isinstance(self.null, str) else tuple(self.null))
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
            return CsvFile(
                text,
                self._dialect(),
                layout,
                reader,
                expected,
                encoding,
                scratch,
                Limit(path, self.max_expansion),
            )
        except BaseException:
            for copy in (scratch, scratch.with_name(f"{scratch.name}.copy")):
                copy.unlink(missing_ok=True)
            raise

    def record_format(self, columns: Sequence[str]) -> Csv:
        """Return the dialect of a record's text alone: the same, with nothing around the records."""
        alone = replace(self, header=False, names=tuple(columns), preamble=0, footer=0, comment="")
        return replace(alone, encoding="utf-8", compression="none", member="")

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        """Return a record's text with the cells of `hidden` columns replaced; None where they cannot be told."""
        from etl.sources.formats.redaction import redacted_cells

        return redacted_cells(
            text, columns, hidden, self._dialect(), nulls=self.nulls, trailing=self.trailing_delimiter
        )

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
