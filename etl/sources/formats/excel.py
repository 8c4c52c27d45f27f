"""Spreadsheets, .xlsx and .ods: the rows of sheets, with numbers and dates as exact text."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from etl.contract.values import Values, later
from etl.errors import ContractError, UnreadableError, few
from etl.sources.formats.excel_archive import Found
from etl.sources.formats.excel_sheets import Sheet, fill, is_pattern, sheets
from etl.sources.formats.json import JsonLines
from etl.sources.formats.json_values import dumped
from etl.sources.formats.limits import Limit
from etl.sources.formats.plain import check_pattern
from etl.sources.formats.staged import Staged, StagedRecord, skipped, stage

# above it, a spreadsheet has already lost digits of a whole number
_EXACT = 2**53


class _Table(NamedTuple):
    """A sheet with the places and names of its columns; records are from row `start` up to row `foot`, from 0."""

    name: str
    rows: list[list[Any]]
    columns: list[tuple[int, str]]
    is_filled: list[bool]
    start: int
    foot: int
    #: By row and column, the cells that would read as empty but are not.
    bad: dict[int, dict[int, str]]


@dataclass(frozen=True, kw_only=True)
class Excel(Values):
    """The rows of an .xlsx, .xlsm or .ods workbook: of one sheet, or of several with the same columns.

    A comment above each option says what it does. Dates and times are ISO 8601, or as the declared formats say.
    Blank rows are no records, and a column without a name and without cells is none. A row with an error such as
    #DIV/0!, or with a formula that nobody calculated, is broken. A record's line is its row, which is counted on
    through several sheets, and its text a JSON object. Raises ContractError for a wrong option.
    """

    # The sheet: its name, or its place from 0; or several, by a pattern such as `2024-*`, or a list of such names.
    sheet: str | int | Sequence[str] | None = None
    # The row, from 1, that names the columns; what is above it is skipped. 0: none, the contract has the order.
    header_row: int = 1
    # Columns in which a date alone is its midnight: a sheet does not tell the two apart.
    timestamps: Sequence[str] = ()
    # The column that gets the name of each record's sheet.
    sheet_column: str = later("")
    # So many rows name the columns: their texts are joined by a space, one in merged cells is each one's.
    header_rows: int = later(1)
    # Rows below the records: so many, or a regular expression that the last rows match, cells joined by tabs.
    footer: int | str = later(0)
    # One text or several that stand for null, beside the empty cell.
    null: str | Sequence[str] = later("")
    # Whether every cell of a merged range has the value of its first one.
    fill_merged: bool = later(False)

    def __post_init__(self) -> None:
        super().__post_init__()
        # lists come back from JSON
        for name in ("timestamps", "sheet", "null"):
            if isinstance(given := getattr(self, name), list):
                object.__setattr__(self, name, tuple(given))
        if isinstance(self.timestamps, str) or isinstance(self.header_row, bool):
            raise ContractError(f"Excel(timestamps={self.timestamps!r}) is not a list of columns.")
        if self.header_row < 0 or (isinstance(self.sheet, int) and self.sheet < 0):
            raise ContractError(f"Excel(sheet={self.sheet!r}, header_row={self.header_row}): neither is negative.")
        if self.header_rows != 1 and (self.header_rows not in range(1, 101) or not self.header_row):
            raise ContractError(
                f"Excel(header_row={self.header_row}, header_rows={self.header_rows}) does not name rows: say the "
                "first of them, and how many there are."
            )
        if isinstance(self.footer, str):
            check_pattern(f"Excel(footer={self.footer!r})", self.footer)
        elif self.footer not in range(1001):
            raise ContractError(f"Excel(footer={self.footer!r}) is not a number of rows from 0 to 1000.")
        if self.sheet_column in self.timestamps:
            raise ContractError(f"Excel(sheet_column={self.sheet_column!r}) holds names of sheets, no timestamps.")

    @property
    def nulls(self) -> tuple[str, ...]:
        """The texts that stand for null."""
        return (self.null,) if isinstance(self.null, str) else tuple(self.null)

    def open(self, path: Path, expected: Sequence[str], scratch: Path) -> Staged:
        """Take the sheets apart; their cells are then at `scratch`. Each sheet is in memory as a whole."""
        limit = Limit(path, self.max_expansion)
        with closing(sheets(path, self.sheet, limit)) as found:
            first = self._table(path, next(found, Sheet("", [], Found())), expected)
            names = [name for _, name in first.columns]
            if self.sheet_column and self.sheet_column in names:
                raise UnreadableError(
                    f"{path} has a column {self.sheet_column!r} of its own. Give sheet_column= another name."
                )
            columns = [*names, *([self.sheet_column] if self.sheet_column else [])]
            limit.check_columns(columns)
            tables = chain([first], (self._table(path, sheet, expected) for sheet in found))
            return stage(self._records(path, tables, columns, limit), columns, scratch, limit=limit)

    def record_format(self, columns: Sequence[str]) -> JsonLines:
        """Return the format of the records' texts."""
        return JsonLines(**vars(self.values), null=self.nulls, compression="none")

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        """Return a record's text with the cells of hidden columns replaced."""
        return self.record_format(columns).redacted(text, columns, hidden)

    def _table(self, path: Path, sheet: Sheet, expected: Sequence[str]) -> _Table:
        """Return a sheet with its columns and what its rows are."""
        rows, suspects = sheet.rows, sheet.found.suspects
        bad: dict[int, dict[int, str]] = {}
        for (number, column), text in suspects.items():
            bad.setdefault(number, {})[column] = text
        count = max([len(rows) - 1, *bad]) + 1
        head_end = self.header_row + self.header_rows - 1 if self.header_row else 0
        is_filled = [
            bool(bad.get(n)) or (n < len(rows) and any(cell != "" for cell in rows[n])) for n in range(count)
        ]
        foot = self._foot(sheet, head_end, is_filled, bad)
        own = {column for row in rows[head_end:foot] for column in _filled(row)}
        own |= {column for number, column in suspects if head_end <= number < foot}
        columns = self._columns(sheet, own, expected)
        if self.fill_merged:
            ranges = sheet.found.merged
            below = [(top, left, min(end, foot - 1), right) for top, left, end, right in ranges if head_end <= top]
            fill(rows, below, path)
        return _Table(sheet.name, rows, columns, is_filled, head_end, foot, bad)

    def _columns(self, sheet: Sheet, own: Set[int], expected: Sequence[str]) -> list[tuple[int, str]]:
        """Return the places and names of a sheet's columns, of which `own` have cells.

        A column with cells but no name is called by its letters; one with neither is none.
        """
        if not self.header_row:
            names = [name for name in expected if name != self.sheet_column]
            return list(enumerate(_wide(names, max(own, default=-1) + 1)))
        names = self._names(sheet)
        names += [""] * (max(own, default=-1) + 1 - len(names))
        named = ((at, name or f"(column {_letters(at)})", bool(name)) for at, name in enumerate(names))
        return [(at, name) for at, name, has_name in named if has_name or at in own]

    def _names(self, sheet: Sheet) -> list[str]:
        """Return the names of the header; those in several rows are joined."""
        start = self.header_row - 1
        head = [list(row) for row in sheet.rows[start : start + self.header_rows]]
        for top, left, bottom, right in sheet.found.merged:
            # one row names each of the columns below it: a range across them would give them one name
            is_meant = self.header_rows > 1 or (self.fill_merged and left == right)
            at = max(top, start) - start
            if (
                is_meant
                and top < len(sheet.rows)
                and left < len(sheet.rows[top])
                and start <= bottom
                and at < len(head)
            ):
                value = sheet.rows[top][left]
                head[at][left : right + 1] = [value] * len(head[at][left : right + 1])
        texts = [[(self._text(cell) or "").strip() for cell in row] for row in head]
        names = [" ".join(filter(None, parts)) for parts in zip_longest(*texts, fillvalue="")]
        # without merged cells a label stands over the first of its columns alone
        counts, label = Counter(names), ""
        for at, own in enumerate(texts[0] if self.header_rows > 1 and texts else ()):
            label = own or label
            if label and not own and names[at] and counts[names[at]] > 1:
                names[at] = f"{label} {names[at]}"
        return names

    def _foot(
        self, sheet: Sheet, start: int, is_filled: Sequence[bool], bad: Mapping[int, Mapping[int, str]]
    ) -> int:
        """Return the row, from 0, at which the footer begins; blank rows in it do not count."""
        foot, found = len(is_filled), 0
        for number in range(len(is_filled) - 1, start - 1, -1):
            if not isinstance(self.footer, str) and found == self.footer:
                break
            if is_filled[number]:
                row = sheet.rows[number] if number < len(sheet.rows) else []
                said = {at: self._text(row[at]) or "" for at in _filled(row)} | dict(bad.get(number, {}))
                text = "\t".join(said[at] for at in sorted(said))
                if isinstance(self.footer, str) and not (self.footer and re.search(self.footer, text)):
                    break
                foot, found = number, found + 1
        return foot

    def _records(
        self, path: Path, tables: Iterable[_Table], columns: Sequence[str], limit: Limit
    ) -> Iterator[StagedRecord]:
        above = 0
        for table in tables:
            yield from self._rows(
                table,
                _order(path, table, columns[: len(columns) - bool(self.sheet_column)]),
                columns,
                above,
                limit,
            )
            above += len(table.is_filled)

    def _rows(
        self, table: _Table, order: Sequence[int], columns: Sequence[str], above: int, limit: Limit
    ) -> Iterator[StagedRecord]:
        is_timestamp = [name in self.timestamps for name in columns]
        nulls = {null for null in self.nulls if null}
        own = [table.name] if self.sheet_column else []
        of = f" of sheet {table.name!r}" if is_pattern(self.sheet) else ""
        for number, is_filled in enumerate(table.is_filled):
            line = above + number + 1
            if not is_filled:
                yield skipped(line)
                continue
            row = table.rows[number] if number < len(table.rows) else []
            bad = table.bad.get(number, {})
            values = [*(row[at] if at < len(row) else "" for at in order), *own]
            cells = [self._text(*cell) for cell in zip(values, is_timestamp, columns, strict=True)]
            for at, place in enumerate(order):
                if place in bad:
                    cells[at] = bad[place] or None
            text = _json(columns, cells)
            limit.take(len(text))
            if skip := self._skip(table, number):
                yield skipped(line, text, *skip)
                continue
            problem = ", ".join(
                f"cell {_letters(at)}{number + 1}{of} is {said or 'a formula without a value'}"
                for at, said in sorted(bad.items())
            )
            yield StagedRecord(line, text, [None if cell in nulls else cell for cell in cells], problem)

    def _skip(self, table: _Table, number: int) -> tuple[str, str] | None:
        """Return what skips a row, and its role; None for a record."""
        if number < table.start:
            return f"header_row={self.header_row}", "above" if number + 1 < self.header_row else "names"
        if number >= table.foot:
            return "" if isinstance(self.footer, str) else f"footer={self.footer}", "below"
        return None

    def _text(self, cell: Any, is_timestamp: bool = False, column: str = "") -> str | None:
        if isinstance(cell, str):
            return cell or None
        if isinstance(cell, bool):
            return "true" if cell else "false"
        if isinstance(cell, float | int):
            is_whole = isinstance(cell, int) or (cell.is_integer() and abs(cell) < _EXACT)
            return str(int(cell)) if is_whole else self.number(repr(cell), column)
        if is_timestamp and isinstance(cell, dt.date) and not isinstance(cell, dt.datetime):
            cell = dt.datetime(cell.year, cell.month, cell.day)
        if isinstance(cell, dt.datetime):
            return _moment(cell, self.timestamp_format) or cell.isoformat(" ")
        if isinstance(cell, dt.date):
            return _moment(dt.datetime(cell.year, cell.month, cell.day), self.date_format) or cell.isoformat()
        if isinstance(cell, dt.timedelta):
            return _duration(cell)
        return str(cell.isoformat())


def _filled(row: Sequence[Any]) -> Iterator[int]:
    return (number for number, cell in enumerate(row) if cell != "")


def _order(path: Path, table: _Table, columns: Sequence[str]) -> list[int]:
    """Return where the cells of each column are in a sheet. Raises UnreadableError if it has others."""
    places: dict[str, list[int]] = {}
    for at, name in table.columns:
        places.setdefault(name, []).append(at)
    surplus = [name for name, found in places.items() if len(found) != columns.count(name)]
    if other := [name for name in columns if name not in places] + surplus:
        raise UnreadableError(
            f"{path}: sheet {table.name!r} and the sheets before it do not have the same columns: "
            f"{few(dict.fromkeys(other))}. Make it a source of its own, or ask for sheets with the same columns."
        )
    return [places[name].pop(0) for name in columns]


def _wide(names: Sequence[str], width: int) -> list[str]:
    return [*names, *(f"(column {_letters(number)})" for number in range(len(names), width))]


def _json(names: Sequence[str], cells: Sequence[str | None]) -> str:
    # not by a dict: names may be there twice
    return "{" + ",".join(f"{dumped(name)}:{dumped(cell)}" for name, cell in zip(names, cells, strict=True)) + "}"


def _moment(value: dt.datetime, form: str) -> str:
    """Return a date or timestamp in a declared format; empty if the format does not say all of it."""
    # a year of two digits would be read by the declared hundred years, and the sheet knows which it is
    text = value.strftime(form) if form and "%y" not in form else ""
    return text if text and dt.datetime.strptime(text, form) == value else ""


def _duration(value: dt.timedelta) -> str:
    seconds, microseconds = divmod(abs(value) // dt.timedelta(microseconds=1), 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    fraction = f".{microseconds:06}" if microseconds else ""
    sign = "-" if value < dt.timedelta(0) else ""
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{fraction}"


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
