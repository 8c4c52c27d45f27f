"""The archive of a spreadsheet, looked at before it is read: bombs, and cells that would read as empty.

The reader gives nothing for an error such as #DIV/0! and for a formula that nobody calculated, and a sheet of
few cells far apart would fill the memory.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol
from xml.parsers.expat import ParserCreate
from zipfile import ZipFile, ZipInfo

from etl.errors import UnreadableError
from etl.sources.formats.limits import Limit, check_packing

_BLOCK_BYTES = 1 << 20
_MOST_CELLS = 50_000_000
_MOST_ERRORS = 1_000_000
#: So many bytes that name sheets, which are kept in mind, and so many tables of an OpenDocument.
_MOST_NAMES, _MOST_TABLES = 1 << 23, 10_000
#: What is said of an error is cut.
_MOST_TEXT = 1000
#: What a cell costs in memory, and an empty one between others.
_CELL_BYTES, _EMPTY_BYTES = 64, 16
_REFERENCE = re.compile(r"([A-Z]{0,3})(\d{1,7})")
_NUMBER = re.compile(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?")
#: What cannot be read from a cell, by row and column from 0: an error, or "" for a formula without a value.
Suspects = dict[tuple[int, int], str]
#: A merged range: its first row and column, and its last ones, from 0.
Range = tuple[int, int, int, int]


@dataclass
class Found:
    """What a sheet's own text says of its cells that the reader does not."""

    suspects: Suspects = field(default_factory=dict)
    merged: list[Range] = field(default_factory=list)


class _Extent:
    """How far the cells of a sheet reach, and what they take of the file's limit."""

    def __init__(self, path: Path, limit: Limit) -> None:
        self._path, self._limit = path, limit
        self._cells = self._row = self._column = self._errors = 0

    def add(self, row: int, column: int, cells: int = 1, size: int = 0) -> None:
        """Take cells up to this row and column, with texts of a size in all."""
        self._cells += cells
        self._row, self._column = max(self._row, row + 1), max(self._column, column + 1)
        self._limit.take(cells * _CELL_BYTES + size)
        area = self._row * self._column
        if area > 20 * self._cells and (area > _MOST_CELLS or area * _EMPTY_BYTES > self._limit.left):
            raise UnreadableError(
                f"{self._path}: the cells reach to row {self._row:,} and column {self._column:,}, but nearly all "
                "are empty. Ask for the sheet without the cells far outside of its table."
            )
        self._limit.check(area * _EMPTY_BYTES)

    def add_errors(self, number: int, what: str = "errors such as #DIV/0!") -> None:
        self._errors += number
        if self._errors > _MOST_ERRORS:
            raise UnreadableError(f"{self._path} holds more than {_MOST_ERRORS:,} {what}.")


def check_archive(path: Path, limit: Limit) -> bool:
    """Return whether it is an Office Open XML workbook; False is an OpenDocument.

    Raises UnreadableError for anything else, and for members that unpack to more than its limit.
    """
    with ZipFile(path) as archive:
        names = set(archive.namelist())
        if len(names) < len(archive.infolist()):
            raise ValueError("two of its members have one name")
        check_packing(path, archive.infolist())
        limit.check(sum(member.file_size for member in archive.infolist()))
        for member in archive.infolist():
            size = 0
            for block in _blocks(archive, member):
                limit.take(len(block))
                size += len(block)
                if size > _MOST_NAMES and member.filename.endswith(("workbook.xml", ".rels")):
                    limit.refuse()
    if "xl/workbook.xml" not in names and "content.xml" not in names:
        raise UnreadableError(
            f"{path} is a zip archive, but not a workbook of the kinds .xlsx, .xlsm and .ods. Ask for one of them."
        )
    return "xl/workbook.xml" in names


def shared_sizes(path: Path) -> array[int]:
    """Return the sizes of the texts that the cells of an Office Open XML workbook share."""
    texts = _Texts()
    with ZipFile(path) as archive:
        for member in archive.infolist():
            if member.filename.lower() == "xl/sharedstrings.xml":
                _follow(path, archive, member, texts)
    return texts.sizes


def workbook_cells(path: Path, sheet: str, sizes: Sequence[int], limit: Limit) -> Found:
    """Return what is found in a sheet, whose shared texts have these sizes. UnreadableError beyond the limit."""
    cells = _Cells(_Extent(path, limit), sizes)
    with ZipFile(path) as archive:
        _follow(path, archive, _member(path, archive, sheet), cells)
    return cells.found


def document_cells(path: Path, limit: Limit) -> dict[str, Found]:
    """Return for each table of an OpenDocument what is to be known of its cells."""
    tables = _Tables(path, limit)
    with ZipFile(path) as archive:
        _follow(path, archive, archive.getinfo("content.xml"), tables)
    return tables.found


class _Handler(Protocol):
    def start(self, name: str, attributes: dict[str, str]) -> None: ...
    def data(self, text: str) -> None: ...
    def end(self, name: str) -> None: ...


def _follow(path: Path, archive: ZipFile, member: ZipInfo, handler: _Handler) -> None:
    """Parse a member of an archive, block by block."""
    parser = ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.data
    parser.StartDoctypeDeclHandler = partial(_refuse, path, member.filename)
    for block in _blocks(archive, member):
        parser.Parse(block, False)
    parser.Parse(b"", True)


def _refuse(path: Path, member: str, *_: object) -> None:
    raise UnreadableError(f"{path}: {member} has a document type, which no workbook needs. Ask for it again.")


class _Texts:
    """The sizes of the texts that cells share."""

    def __init__(self) -> None:
        self.sizes = array("L")
        self._size = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if _local(name) == "si":
            self._size = 0

    def data(self, text: str) -> None:
        self._size += len(text)

    def end(self, name: str) -> None:
        if _local(name) == "si":
            self.sizes.append(self._size)


class _Cells:
    """Follows the rows and cells of a sheet."""

    def __init__(self, extent: _Extent, sizes: Sequence[int]) -> None:
        self._extent, self._sizes = extent, sizes
        self._row = self._column = -1
        # of the row: cells, the size of their texts, the last column
        self._cells = self._size = self._last = 0
        self._kind = ""
        self._has_content = self._has_formula = self._is_value = False
        self._value: list[str] = []
        self.found = Found()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if ":" in name:
            name = _local(name)
        if name == "c":
            place = _REFERENCE.fullmatch(attributes.get("r", ""))
            self._column = _column(place[1]) if place and place[1] else self._column + 1
            self._kind, self._value = attributes.get("t", ""), []
            self._has_content = self._has_formula = False
        elif name == "row":
            self._finish_row()
            number = attributes.get("r", "")
            self._row = int(number) - 1 if number.isdecimal() and len(number) < 8 else self._row + 1
            self._column = -1
        elif name == "mergeCell":
            self._extent.add_errors(1, "merged cells")
            self.found.merged += _range(attributes.get("ref", ""))
        else:
            self._has_content = True
            self._is_value = name == "v"
            self._has_formula = self._has_formula or name == "f"

    def data(self, text: str) -> None:
        if self._is_value:
            self._value.append(text)

    def end(self, name: str) -> None:
        self._is_value = False
        if name == "v":
            return
        name = _local(name)
        if name == "c":
            self._take("".join(self._value))
        elif name in ("row", "sheetData"):
            self._finish_row()

    def _finish_row(self) -> None:
        if self._cells:
            self._extent.add(max(self._row, 0), self._last, self._cells, self._size)
        self._cells = self._size = self._last = 0

    def _take(self, value: str) -> None:
        kind, number = self._kind, value.strip()
        if self._has_content or kind:
            is_shared = kind == "s" and number.isdecimal() and len(number) < 10 and int(number) < len(self._sizes)
            self._cells += 1
            self._size += self._sizes[int(number)] if is_shared else 0
            self._last = max(self._last, self._column)
        if kind == "e":
            self._extent.add_errors(1)
            self.found.suspects[self._row, self._column] = value or "an error"
        elif value and kind in ("", "n") and not _NUMBER.fullmatch(number):
            self.found.suspects[self._row, self._column] = value
        elif self._has_formula and not value and not kind:
            self.found.suspects[self._row, self._column] = ""


class _Tables:
    """Follows the rows and cells of the tables of content.xml, with their repetitions."""

    def __init__(self, path: Path, limit: Limit) -> None:
        self._path, self._limit = path, limit
        self._extent = _Extent(path, limit)
        self._table = Found()
        self._is_error = self._is_filled = False
        self._row = self._column = self._size = 0
        self._rows = self._columns = 1
        self._text = ""
        self.found: dict[str, Found] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table:table":
            self._extent, self._row = _Extent(self._path, self._limit), 0
            if len(self.found) > _MOST_TABLES:
                self._limit.refuse()
            self._table = self.found.setdefault(attributes.get("table:name", ""), Found())
        elif name == "table:table-row":
            self._rows, self._column = int(attributes.get("table:number-rows-repeated", 1)), 0
        elif name in ("table:table-cell", "table:covered-table-cell"):
            self._columns = int(attributes.get("table:number-columns-repeated", 1))
            self._is_error, self._text = attributes.get("calcext:value-type") == "error", ""
            self._is_filled, self._size = "office:value-type" in attributes, 0
            right = self._column + int(attributes.get("table:number-columns-spanned", 1)) - 1
            bottom = self._row + int(attributes.get("table:number-rows-spanned", 1)) - 1
            if (bottom, right) > (self._row, self._column):
                self._extent.add_errors(1, "merged cells")
                self._table.merged.append((self._row, self._column, bottom, right))

    def data(self, text: str) -> None:
        self._size += len(text)
        if self._is_error:
            self._text += text[: _MOST_TEXT - len(self._text)]

    def end(self, name: str) -> None:
        if name == "table:table-row":
            self._row += self._rows
        elif name in ("table:table-cell", "table:covered-table-cell"):
            if self._is_filled:
                last = self._row + self._rows - 1, self._column + self._columns - 1
                cells = self._rows * self._columns
                self._extent.add(*last, cells, cells * self._size)
            if self._is_error:
                self._extent.add_errors(self._rows * self._columns)
                for row in range(self._row, self._row + self._rows):
                    for column in range(self._column, self._column + self._columns):
                        self._table.suspects[row, column] = self._text or "an error"
            self._column += self._columns
            self._is_error = False


def _member(path: Path, archive: ZipFile, sheet: str) -> ZipInfo:
    """Return the archive's member of a sheet."""
    named = _Matching("sheet", "name", sheet)
    _follow(path, archive, archive.getinfo("xl/workbook.xml"), named)
    relation = next((value for key, value in named.found.items() if _local(key) == "id"), "")
    related = _Matching("Relationship", "Id", relation)
    _follow(path, archive, archive.getinfo("xl/_rels/workbook.xml.rels"), related)
    if target := related.found.get("Target", ""):
        return archive.getinfo(target.lstrip("/") if target.startswith("/") else f"xl/{target}")
    raise UnreadableError(f"{path}: sheet {sheet!r} has no cells of its own; it may be a chart.")


class _Matching:
    """The attributes of the one element of a name that has this value for an attribute."""

    def __init__(self, name: str, attribute: str, value: str) -> None:
        self._name, self._attribute, self._value = name, attribute, value
        self.found: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if _local(name) == self._name and attributes.get(self._attribute) == self._value:
            self.found = attributes

    def data(self, text: str) -> None:
        pass

    def end(self, name: str) -> None:
        pass


def _blocks(archive: ZipFile, member: ZipInfo) -> Iterator[bytes]:
    """Yield what a member really holds, whatever size it claims."""
    claimed = member.file_size
    member.file_size = 1 << 62
    total = 0
    try:
        with archive.open(member) as file:
            while block := file.read(_BLOCK_BYTES):
                total += len(block)
                yield block
    finally:
        member.file_size = claimed
    if total != claimed:
        raise ValueError(f"{member.filename!r} holds {total} bytes, but claims {claimed}")


def _local(name: str) -> str:
    return name.rpartition(":")[2] if ":" in name else name


def _range(reference: str) -> Iterator[Range]:
    """Yield the range that a reference such as B3:C4 names, if it names one."""
    first, _, last = reference.partition(":")
    start, end = _REFERENCE.fullmatch(first), _REFERENCE.fullmatch(last)
    if start and end and start[1] and end[1]:
        yield int(start[2]) - 1, _column(start[1]), int(end[2]) - 1, _column(end[1])


def _column(letters: str) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1
