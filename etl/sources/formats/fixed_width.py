"""Fixed width: columns by position, record types by position, and a trailer that proves the file whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Any

from etl.contract.values import later
from etl.engine import quoting
from etl.engine.quoting import identifier, literal
from etl.errors import ContractError
from etl.sources.formats import plain
from etl.sources.formats.fixed_file import FixedFile
from etl.sources.formats.fixed_lines import Lines, Span, Unalike, each
from etl.sources.formats.format import Opened
from etl.sources.formats.limits import Limit
from etl.sources.formats.staged import Staged, stage
from etl.sources.formats.totals import check_count


@dataclass(frozen=True, kw_only=True)
class FixedWidth(plain.TextFile):
    """Lines of known lengths; `columns` gives each column its first and last character, from 1.

    `length` is that of a line, or those that it may have, by default up to the last column; any other line is
    broken. `trimmed` names the last columns, which may be short or missing because the sender cuts spaces off
    the end of a line; True lets all be short, and then a line that was cut off cannot be told from one.
    `strip`, which is on, takes spaces off both ends of a cell; a cell equal to (one of) `null`, which is the empty
    one, is then null. `header_lines` at the top are skipped: so many, or the first ones that match a regular
    expression. Empty lines are no records; what no column covers is not read.
    With `record_type` in the line, lines of type `record` are records, `ignored` ones are none, all others
    are broken. `trailer` is the type of the last line and where it counts the records: a file whose count is
    another, or that has no trailer, is refused. `line_number` names a column of the number of each record's line.
    """

    columns: Mapping[str, Span] = field(default_factory=dict)
    length: int | Sequence[int] = 0
    trimmed: bool | Sequence[str] = False
    strip: bool = True
    null: str | Sequence[str] = ""
    header_lines: int | str = 0
    record_type: Span | None = None
    record: str = ""
    ignored: Sequence[str] = ()
    trailer: tuple[str, Span] | None = None
    line_number: str = later("")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._keep("columns", {name: _span(f"columns[{name!r}]", span) for name, span in self.columns.items()})
        self._keep("null", (self.null,) if isinstance(self.null, str) else tuple(self.null))
        self._keep("ignored", tuple(self.ignored))
        if not self.columns:
            raise ContractError("FixedWidth(columns=...) is empty. Say where each column is: {'id': (1, 8)}.")
        end = max(end for _, end in self.columns.values())
        self._keep("length", (self.length or end) if isinstance(self.length, int) else tuple(self.length))
        self._keep("trimmed", self.trimmed if isinstance(self.trimmed, bool) else tuple(self.trimmed))
        self._check_lengths(end)
        if isinstance(self.header_lines, str):
            plain.check_pattern(f"FixedWidth(header_lines={self.header_lines!r})", self.header_lines)
        elif self.header_lines < 0:
            raise ContractError(f"FixedWidth(header_lines={self.header_lines}) is not a number of lines from 0.")
        self._check_types()
        if self.line_number in self.columns:
            raise ContractError(
                f"FixedWidth(line_number={self.line_number!r}) is a column of the file. Take another name."
            )

    def open(self, path: Path, expected: Sequence[str], scratch: Path) -> Opened:
        """Take a file apart; its lines may then be at `scratch`, and DuckDB cuts the cells out of them."""
        with ExitStack() as stack:
            text, encoding = stack.enter_context(self.plain_text(path, scratch))
            limit = Limit(path, self.max_expansion)

            def lines() -> Lines:
                return Lines(self, path, encoding)

            def whole(scratch: Path) -> Staged:
                records = each(lines(), text, self.max_record_bytes)
                names = [*self.columns, *([self.line_number] if self.line_number else [])]
                return stage(records, names, scratch, reader=self.reader(), limit=limit)

            if not self.is_cut_alike:
                return whole(scratch)
            try:
                opened = FixedFile(self, lines, text, scratch, whole=whole, limit=limit)
            except Unalike:
                return whole(scratch)
            opened.keep(stack.pop_all())
            return opened

    def record_format(self, columns: Sequence[str]) -> FixedWidth:
        """Return the format of the records' lines alone."""
        return replace(self, header_lines=0, trailer=None, encoding="utf-8", compression="none", member="")

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths that a line may have, ascending."""
        return (self.length,) if isinstance(self.length, int) else tuple(sorted(self.length))

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        """Return a line with the cells of hidden columns replaced, each cut or filled up to its width."""
        if self.problem(text):
            return None
        line = text.ljust(self.lengths[-1]) if self.trimmed else text
        for name, (start, end) in self.columns.items():
            cell = line[start - 1 : end]
            value = cell.strip(" ") if self.strip else cell
            if name in hidden and value not in self.null and start <= len(line):
                width = end - start + 1
                line = line[: start - 1] + hidden[name](value)[:width].ljust(width) + line[end:]
        return line

    def problem(self, line: str) -> str:
        """Return what is wrong with a line that is to be a record; empty if nothing."""
        kind = self.type_of(line)
        if kind != self.record:
            return f"record type {kind!r} is not declared"
        if len(line) not in self.lengths and not self.shortest <= len(line) < self.lengths[-1]:
            expected = " or ".join(map(str, self.lengths))
            at_least = f" and not {self.shortest} at least" if self.trimmed and len(line) < self.shortest else ""
            return f"the line has {len(line)} characters, not {expected}{at_least}"
        return "it holds a NUL character" if "\0" in line else ""

    @property
    def shortest(self) -> int:
        """The number of characters that a line must have whose end is trimmed."""
        if isinstance(self.trimmed, bool):
            return 0 if self.trimmed else self.lengths[-1]
        return max((end for name, (_, end) in self.columns.items() if name not in self.trimmed), default=0)

    def is_head(self, number: int, content: bytes) -> bool:
        """Tell whether a line is one of those to skip, if all above it are."""
        if isinstance(self.header_lines, int):
            return number <= self.header_lines
        return bool(self.header_lines) and bool(re.search(self.header_lines, content.decode("utf-8", "replace")))

    def type_of(self, line: str) -> str:
        """Return the record type of a line."""
        return line[self.record_type[0] - 1 : self.record_type[1]] if self.record_type else self.record

    def check_trailer(self, path: Path, number: int, line: str, records: int) -> None:
        """Raise UnreadableError if a trailer counts other records than there are."""
        start, end = self.trailer[1] if self.trailer else (1, 1)
        check_count(path, f"the trailer in line {number}", line[start - 1 : end], records)

    @property
    def nulls(self) -> tuple[str, ...]:
        """The texts of cells that are null."""
        return self.null if isinstance(self.null, tuple) else ()

    def reader(self) -> FixedWidthReader:
        """Return what cuts the cells out of staged lines."""
        spans = tuple(self.columns.values())
        return FixedWidthReader(spans, self.strip, self.nulls, is_numbered=bool(self.line_number))

    @property
    def is_cut_alike(self) -> bool:
        """Whether cells are at the same places in all records, and no record has to know its own place."""
        is_whole = len(self.lengths) == 1 and self.shortest == self.lengths[-1]
        return not self.line_number and (self.strip or is_whole)

    def _check_lengths(self, end: int) -> None:
        lengths = self.lengths
        if not lengths or not all(type(length) is int for length in lengths) or lengths[-1] < end:
            raise ContractError(f"FixedWidth(length={self.length}) ends before the last column does, at {end}.")
        for name, (first, last) in self.columns.items():
            if cut := [length for length in lengths if first <= length < last]:
                raise ContractError(f"FixedWidth(length={self.length}): column {name!r} would be cut at {cut[0]}.")
        if isinstance(self.trimmed, tuple):
            ends = {name: last for name, (_, last) in self.columns.items()}
            unknown = [name for name in self.trimmed if name not in ends]
            others = [last for name, last in ends.items() if name not in self.trimmed]
            if unknown or any(ends[name] < max(others, default=0) for name in self.trimmed):
                raise ContractError(f"FixedWidth(trimmed={list(self.trimmed)}) does not name the last columns.")

    def _check_types(self) -> None:
        if self.record_type is None:
            if self.record or self.ignored or self.trailer:
                raise ContractError("FixedWidth(record_type=...) is missing: where does a line say its type?")
            return
        start, end = _span("record_type", self.record_type)
        self._keep("record_type", (start, end))
        if self.trailer is not None:
            kind, span = self.trailer
            self._keep("trailer", (kind, _span("trailer", span)))
        kinds = [self.record, *self.ignored, *([self.trailer[0]] if self.trailer else [])]
        if len(set(kinds)) < len(kinds) or {len(kind) for kind in kinds} != {end - start + 1}:
            raise ContractError(
                f"FixedWidth: the record types {', '.join(map(repr, kinds))} are not all different and of "
                f"{end - start + 1} characters, as record_type={self.record_type} says."
            )

    def _keep(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


@dataclass(frozen=True)
class FixedWidthReader:
    """Cuts the cells out of staged lines."""

    spans: tuple[Span, ...]
    strip: bool
    nulls: tuple[str, ...]
    _: KW_ONLY
    is_numbered: bool = False
    #: The lines that records of these lines are said to have, in pairs.
    lines: tuple[tuple[int, int], ...] = ()

    def relation(self, paths: Sequence[Path], names: Sequence[str]) -> str:
        """Return the SQL of the cells of staged files, as `names`, with `file_index`."""
        files = quoting.paths(paths)
        return f"(select {self._cells(names)}, file_index from read_parquet({files}, hive_partitioning = false))"

    def numbered(self, path: Path, names: Sequence[str]) -> str:
        """Return the SQL of the cells of one staged file, with `_record`."""
        source = f"read_parquet({quoting.paths([path])}, file_row_number = true, hive_partitioning = false)"
        return f"(select {self._cells(names)}, file_row_number as _record from {source})"

    def _cells(self, names: Sequence[str]) -> str:
        cells = [*map(self._cell, self.spans), *([self._line()] if self.is_numbered else [])]
        return ", ".join(f"{cell} as {identifier(name)}" for cell, name in zip(cells, names, strict=False))

    def _line(self) -> str:
        whens = " ".join(f"when {line} then {other}" for line, other in self.lines)
        return f"(case _line {whens} else _line end)::varchar" if whens else "_line::varchar"

    def _cell(self, span: Span) -> str:
        start, end = span
        cell = f"substring(_raw_text, {start}, {end - start + 1})"
        cell = f"trim({cell}, ' ')" if self.strip else cell
        for null in self.nulls:
            cell = f"nullif({cell}, {literal(null)})"
        return cell


def _span(name: str, span: object) -> Span:
    # a list comes back from JSON
    if not isinstance(span, tuple | list) or len(span) != 2 or not all(type(end) is int for end in span):
        raise ContractError(f"FixedWidth({name}={span!r}) is not a pair of the first and the last character.")
    start, end = span
    if not 1 <= start <= end:
        raise ContractError(f"FixedWidth({name}={span!r}) must count from 1, and end where it starts or later.")
    return start, end
