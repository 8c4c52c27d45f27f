"""The archive of a spreadsheet, looked at before it is read: bombs, and cells that would read as empty.

The reader gives nothing for an error such as #DIV/0! and for a formula that nobody calculated, and a sheet of
few cells far apart would fill the memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers.expat import ParserCreate
from zipfile import ZipFile, ZipInfo

from etl.errors import UnreadableError
from etl.formats import plain

_BLOCK_BYTES = 1 << 20
_MOST_CELLS = 50_000_000
_MOST_ERRORS = 1_000_000
_TAG = re.compile(rb"<(?:\w+:)?row\b([^>]*)>|<(?:\w+:)?c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_REFERENCE = re.compile(rb"""\br\s*=\s*["']([A-Z]*)(\d+)["']""")
_TYPE = re.compile(rb"""\bt\s*=\s*["'](\w+)["']""")
_VALUE = re.compile(rb"<(?:\w+:)?v\b[^>]*>([^<]+)<")
_NUMBER = re.compile(rb"[+-]?[\d.]+(?:[eE][+-]?\d+)?")
_FORMULA = re.compile(rb"<(?:\w+:)?f\b")
#: What cannot be read from a cell, by row and column from 0: an error, or "" for a formula without a value.
Suspects = dict[tuple[int, int], str]


class _Extent:
    """How far the cells of a sheet reach."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cells = self._row = self._column = self._errors = 0

    def add(self, row: int, column: int, cells: int = 1) -> None:
        self._cells += cells
        self._row, self._column = max(self._row, row + 1), max(self._column, column + 1)
        area = self._row * self._column
        if area > _MOST_CELLS and area > 20 * self._cells:
            raise UnreadableError(
                f"{self._path}: the cells reach to row {self._row:,} and column {self._column:,}, but nearly all "
                "are empty. Ask for the sheet without the cells far outside of its table."
            )

    def add_errors(self, number: int) -> None:
        self._errors += number
        if self._errors > _MOST_ERRORS:
            raise UnreadableError(f"{self._path} holds more than {_MOST_ERRORS:,} errors such as #DIV/0!.")


def check_archive(path: Path) -> bool:
    """Return whether it is an Office Open XML workbook; False is an OpenDocument.

    Raises UnreadableError for anything else, and for members that unpack to far more than the archive.
    """
    with ZipFile(path) as archive:
        names = set(archive.namelist())
        if len(names) < len(archive.infolist()):
            raise ValueError("two of its members have one name")
        total = sum(member.file_size for member in archive.infolist())
        _check_ratio(path, total)
        total = 0
        for member in archive.infolist():
            for block in _blocks(archive, member):
                total += len(block)
                _check_ratio(path, total)
    if "xl/workbook.xml" not in names and "content.xml" not in names:
        raise UnreadableError(
            f"{path} is a zip archive, but not a workbook of the kinds .xlsx, .xlsm and .ods. Ask for one of them."
        )
    return "xl/workbook.xml" in names


def workbook_suspects(path: Path, sheet: str) -> Suspects:
    """Return the cells of a sheet of an Office Open XML workbook that would read as empty but are not."""
    found: Suspects = {}
    extent = _Extent(path)
    with ZipFile(path) as archive:
        row, column = -1, -1
        for tag in _tags(archive, _member(path, archive, sheet)):
            attributes, cell, content = tag.groups()
            place = _REFERENCE.search(attributes or cell or b"")
            if cell is None:
                row, column = (int(place[2]) - 1 if place else row + 1), -1
                continue
            column = _column(place[1]) if place else column + 1
            kind = _TYPE.search(cell)
            value = _VALUE.search(content or b"")
            if content or kind:
                extent.add(row, column)
            if kind and kind[1] == b"e":
                extent.add_errors(1)
                found[row, column] = value[1].decode("utf-8", "replace") if value else "an error"
            elif value and (not kind or kind[1] == b"n") and not _NUMBER.fullmatch(value[1].strip()):
                found[row, column] = value[1].decode("utf-8", "replace")
            elif content and not value and not kind and _FORMULA.search(content):
                found[row, column] = ""
    return found


def document_suspects(path: Path) -> dict[str, Suspects]:
    """Return for each table of an OpenDocument the cells that would read as empty but are errors."""
    table = _Tables(path)
    parser = ParserCreate()
    parser.StartElementHandler = table.start
    parser.EndElementHandler = table.end
    parser.CharacterDataHandler = table.data
    with ZipFile(path) as archive:
        for block in _blocks(archive, archive.getinfo("content.xml")):
            parser.Parse(block, False)
    return table.found


class _Tables:
    """Follows the rows and cells of the tables of content.xml, with their repetitions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._extent = _Extent(path)
        self._suspects: Suspects = {}
        self._is_error = False
        self._row = self._column = 0
        self._rows = self._columns = 1
        self._text = ""
        self.found: dict[str, Suspects] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table:table":
            self._extent, self._row = _Extent(self._path), 0
            self._suspects = self.found.setdefault(attributes.get("table:name", ""), {})
        elif name == "table:table-row":
            self._rows, self._column = int(attributes.get("table:number-rows-repeated", 1)), 0
        elif name in ("table:table-cell", "table:covered-table-cell"):
            self._columns = int(attributes.get("table:number-columns-repeated", 1))
            self._is_error, self._text = attributes.get("calcext:value-type") == "error", ""
            if "office:value-type" in attributes:
                last = self._row + self._rows - 1, self._column + self._columns - 1
                self._extent.add(*last, cells=min(self._rows * self._columns, 1000))

    def data(self, text: str) -> None:
        if self._is_error:
            self._text += text

    def end(self, name: str) -> None:
        if name == "table:table-row":
            self._row += self._rows
        elif name in ("table:table-cell", "table:covered-table-cell"):
            if self._is_error:
                self._extent.add_errors(self._rows * self._columns)
                for row in range(self._row, self._row + self._rows):
                    for column in range(self._column, self._column + self._columns):
                        self._suspects[row, column] = self._text or "an error"
            self._column += self._columns
            self._is_error = False


def _member(path: Path, archive: ZipFile, sheet: str) -> ZipInfo:
    """Return the archive's member of a sheet."""
    relation = ""
    for element in ElementTree.fromstring(archive.read("xl/workbook.xml")).iter():
        if element.tag.endswith("}sheet") and element.get("name") == sheet:
            relation = next(value for key, value in element.items() if key.endswith("}id"))
    for element in ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels")):
        if element.get("Id") == relation:
            target = element.get("Target", "")
            return archive.getinfo(target.lstrip("/") if target.startswith("/") else f"xl/{target}")
    raise UnreadableError(f"{path}: sheet {sheet!r} has no cells of its own; it may be a chart.")


def _tags(archive: ZipFile, member: ZipInfo) -> Iterator[re.Match[bytes]]:
    """Yield rows and cells; a cell that a block cuts is found with the next one."""
    rest = b""
    for block in _blocks(archive, member):
        rest += block
        end = 0
        for match in _TAG.finditer(rest):
            # a row's tag within a cell that is not whole yet cannot be: cells hold none
            yield match
            end = match.end()
        rest = rest[end:]


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


def _check_ratio(path: Path, total: int) -> None:
    if total > plain.BOMB_BYTES and total > plain.MAX_RATIO * path.stat().st_size:
        raise UnreadableError(f"{path} unpacks to more than {plain.MAX_RATIO} times its size, as a zip bomb does.")


def _column(letters: bytes) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + letter - ord("A") + 1
    return column - 1
