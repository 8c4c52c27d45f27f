"""Spreadsheets, .xlsx and .ods: one sheet's rows, with numbers and dates as exact text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from errno import EINVAL
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.contract.values import Values
from etl.errors import ContractError, UnreadableError
from etl.sources.formats import kinds
from etl.sources.formats.excel_archive import Suspects, check_archive, document_suspects, workbook_suspects
from etl.sources.formats.json import JsonLines
from etl.sources.formats.json_values import dumped
from etl.sources.formats.limits import Limit
from etl.sources.formats.staged import Staged, StagedRecord, skipped, stage

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

#: What else reads what is called a workbook.
_INSTEAD = {"text": ", or read it with Csv(...)", "XML": ", or read it with Xml(...)"}
# above it, a spreadsheet has already lost digits of a whole number
_EXACT = 2**53


@dataclass(frozen=True, kw_only=True)
class Excel(Values):
    """One sheet of an .xlsx, .xlsm or .ods workbook, by name or by its place from 0.

    Without `sheet` the workbook must have one sheet only: a file with several is refused, with their names. The
    row `header_row`, from 1, names the columns; with 0 there is none, and the columns come in the contract's
    order. What stands above is skipped, blank rows are no records. Dates and times are ISO 8601, or as the
    declared formats say; a date alone in one of the columns `timestamps` is its midnight. A row with an error
    such as #DIV/0!, or with a formula that nobody calculated, is broken. A record's line is its row, and its text
    a JSON object.
    """

    sheet: str | int | None = None
    header_row: int = 1
    timestamps: Sequence[str] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "timestamps", tuple(self.timestamps))
        if self.header_row < 0 or (isinstance(self.sheet, int) and self.sheet < 0):
            raise ContractError(f"Excel(sheet={self.sheet!r}, header_row={self.header_row}): neither is negative.")

    def open(self, path: Path, expected: Sequence[str], scratch: Path) -> Staged:
        """Take a sheet apart; its cells are then at `scratch`. The sheet is in memory as a whole meanwhile."""
        limit = Limit(path, self.max_expansion)
        rows, suspects = self._rows(path, limit)
        head: Sequence[Any] = rows[self.header_row - 1] if 0 < self.header_row <= len(rows) else ()
        width = max((number + 1 for cells in rows[self.header_row :] for number in _filled(cells)), default=0)
        width = max([width, *(column + 1 for line, column in suspects if line >= self.header_row)])
        names = self._names(head, width) if self.header_row else _wide(expected, width)
        limit.check_columns(names)
        records = self._records(rows, names, suspects, limit)
        return stage(records, names, scratch, limit=limit)

    def record_format(self, columns: Sequence[str]) -> JsonLines:
        """Return the format of the records' texts."""
        return JsonLines(**vars(self.values), compression="none")

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        """Return a record's text with the cells of hidden columns replaced."""
        return self.record_format(columns).redacted(text, columns, hidden)

    def _rows(self, path: Path, limit: Limit) -> tuple[list[list[Any]], Suspects]:
        try:
            # before the reader opens it, which unpacks all tables of an OpenDocument
            tables = None if check_archive(path, limit) else document_suspects(path, limit)
            with _workbook(path) as workbook:
                name = self._sheet_name(path, workbook.sheet_names)
                suspects = workbook_suspects(path, name, limit) if tables is None else tables.get(name, {})
                sheet = workbook.get_sheet_by_name(name)
                # the reader pads empty rows above the first cell, but not empty columns before it
                left = [""] * (sheet.start[1] if sheet.start else 0)
                return [left + row for row in sheet.iter_rows()], suspects
        except (UnreadableError, ContractError, KeyboardInterrupt, SystemExit):
            raise
        except OSError as error:
            if error.errno not in (None, EINVAL):  # the disk's fault, not the file's
                raise
            raise _damaged(path, error) from error
        except BaseException as error:
            # the reader is Rust, whose panics are no Exception, and zip files fail in many ways
            raise _damaged(path, error) from error

    def _sheet_name(self, path: Path, names: Sequence[str]) -> str:
        number = 0 if self.sheet is None and len(names) == 1 else self.sheet
        if isinstance(number, int) and number < len(names):
            return names[number]
        if self.sheet in names:
            return str(self.sheet)
        found = ", ".join(map(repr, names))
        if self.sheet is None:
            raise UnreadableError(
                f"{path} has {len(names)} sheets: {found}. Say which one is read, as in Excel(sheet={names[0]!r})."
                if names
                else f"{path} has no sheet. Ask for it again."
            )
        raise UnreadableError(f"{path} has no sheet {self.sheet!r}; its sheets are: {found}.")

    def _names(self, head: Sequence[Any], width: int) -> list[str]:
        """Return the header's names; a column with cells but no name is called by its letters."""
        names = [(self._text(cell) or "").strip() for cell in head]
        while names and not names[-1]:
            names.pop()
        names += [""] * (width - len(names))
        return [name or f"(column {_letters(number)})" for number, name in enumerate(names)]

    def _records(
        self, rows: Sequence[Sequence[Any]], names: Sequence[str], suspects: Suspects, limit: Limit
    ) -> Iterator[StagedRecord]:
        is_timestamp = [name in self.timestamps for name in names]
        by_row: dict[int, dict[int, str]] = {}
        for (line, column), text in suspects.items():
            by_row.setdefault(line, {})[column] = text
        last = max([len(rows) - 1, *by_row])
        for number in range(last + 1):
            row = rows[number] if number < len(rows) else []
            bad = by_row.get(number, {})
            if not bad and not any(True for _ in _filled(row)):
                yield skipped(number + 1)
                continue
            values = [*row, *[""] * (len(names) - len(row))][: len(names)]
            cells = [self._text(*cell) for cell in zip(values, is_timestamp, names, strict=True)]
            for column, said in bad.items():
                cells[column] = said or None
            text = _json(names, cells)
            limit.take(len(text))
            if number < self.header_row:
                role = "above" if number + 1 < self.header_row else "names"
                yield skipped(number + 1, text, f"header_row={self.header_row}", role)
                continue
            problem = ", ".join(
                f"cell {_letters(column)}{number + 1} is {text or 'a formula without a value'}"
                for column, text in sorted(bad.items())
            )
            yield StagedRecord(number + 1, text, cells, problem)

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


def _workbook(path: Path) -> CalamineWorkbook:
    try:
        import python_calamine
    except ImportError as error:
        raise ContractError("Excel() needs python-calamine. Install it with: pip install 'etl[excel]'") from error
    return python_calamine.load_workbook(path)


def _damaged(path: Path, error: BaseException) -> UnreadableError:
    found = kinds.kind(kinds.first_bytes(path))
    if "workbook" in found and "zip" not in found:
        return UnreadableError(f"{path} is {found}. Ask for an .xlsx without a password.")
    if found and "zip" not in found:
        return UnreadableError(
            f"{path} is {found}, whatever its name says, not a workbook of the kinds .xlsx, .xlsm and .ods. "
            f"Ask for one of these{_INSTEAD.get(found, '')}."
        )
    return UnreadableError(f"{path} is not a sound workbook: {error or type(error).__name__}. Ask for it again.")


def _filled(row: Sequence[Any]) -> Iterator[int]:
    return (number for number, cell in enumerate(row) if cell != "")


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
