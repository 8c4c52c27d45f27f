"""The sheets of a workbook: which ones are read, with their cells, errors and merged ranges."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from errno import EINVAL
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from etl.errors import ContractError, UnreadableError
from etl.sources.formats import kinds
from etl.sources.formats.excel_archive import (
    Found,
    Range,
    check_archive,
    document_cells,
    shared_sizes,
    workbook_cells,
)
from etl.sources.formats.limits import Limit

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

#: What else reads what is called a workbook.
_INSTEAD = {"text": ", or read it with Csv(...)", "XML": ", or read it with Xml(...)"}
#: What makes a name a pattern; no sheet can have one of these in its name.
_MARKS = frozenset("*?[")
#: What a workbook calls a sheet that holds cells; of an OpenDocument all do.
_CELLS = "WorkSheet"


class Sheet(NamedTuple):
    """A sheet as it is read: rows from the first, cells from the column A."""

    name: str
    rows: list[list[Any]]
    found: Found


def is_pattern(sheet: str | int | Sequence[str] | None) -> TypeGuard[str | Sequence[str]]:
    """Return whether an option names sheets by a pattern, or several of them."""
    return isinstance(sheet, tuple | list) or (isinstance(sheet, str) and bool(_MARKS & set(sheet)))


def sheets(path: Path, chosen: str | int | Sequence[str] | None, limit: Limit) -> Generator[Sheet, None, None]:
    """Yield the sheets that are chosen, in the workbook's order; each is in memory as a whole.

    Raises UnreadableError for what is not a sound workbook, and if none is chosen.
    """
    with _sound(path):
        # before the reader opens it, which unpacks all tables of an OpenDocument
        tables = None if check_archive(path, limit) else document_cells(path, limit)
        sizes = shared_sizes(path) if tables is None else None
        workbook = _workbook(path)
    with workbook:
        for name in _names(path, chosen, workbook):
            with _sound(path):
                if sizes is not None:
                    found = workbook_cells(path, name, sizes, limit)
                else:
                    found = (tables or {}).get(name, Found())
                sheet = workbook.get_sheet_by_name(name)
                # the reader pads empty rows above the first cell, but not empty columns before it
                left = [""] * (sheet.start[1] if sheet.start else 0)
                rows = [left + row for row in sheet.iter_rows()]
            # a sheet that a pattern happens to name may have nothing on it
            if not is_pattern(chosen) or found.suspects or any(cell != "" for row in rows for cell in row):
                yield Sheet(name, rows, found)


def fill(rows: Sequence[list[Any]], merged: Sequence[Range], path: Path) -> None:
    """Give every cell of a merged range the value of its first one.

    Raises UnreadableError for ranges that overlap, which no workbook has.
    """
    left = sum(map(len, rows))
    for top, start, bottom, end in merged:
        if top >= len(rows) or start >= len(rows[top]):
            continue
        value = rows[top][start]
        for row in rows[top : bottom + 1]:
            row += [""] * (min(end + 1, len(rows[top])) - len(row))
            part = row[start : end + 1]
            left -= len(part)
            if left < 0:
                raise UnreadableError(f"{path} has merged cells that overlap. Ask for it again.")
            row[start : end + 1] = [value] * len(part)


def _names(path: Path, chosen: str | int | Sequence[str] | None, workbook: CalamineWorkbook) -> list[str]:
    names = workbook.sheet_names
    if is_pattern(chosen):
        patterns = [chosen] if isinstance(chosen, str) else list(chosen)
        with_cells = {sheet.name for sheet in workbook.sheets_metadata if str(sheet.typ).endswith(_CELLS)}
        named = {pattern: [name for name in names if fnmatchcase(name, pattern)] for pattern in patterns}
        if lacking := [pattern for pattern, found in named.items() if not found]:
            raise UnreadableError(_missing(path, lacking[0], names))
        return [name for name in names if name in with_cells and any(name in found for found in named.values())]
    number = 0 if chosen is None and len(names) == 1 else chosen
    if isinstance(number, int) and number < len(names):
        return [names[number]]
    if chosen in names:
        return [str(chosen)]
    if chosen is not None:
        raise UnreadableError(_missing(path, chosen, names))
    if not names:
        raise UnreadableError(f"{path} has no sheet. Ask for it again.")
    raise UnreadableError(
        f"{path} has {len(names)} sheets: {_list(names)}. Say which one is read, as in "
        f"Excel(sheet={names[0]!r}), or read several with a pattern, as in Excel(sheet='*', sheet_column='sheet')."
    )


def _missing(path: Path, sheet: object, names: Sequence[str]) -> str:
    return f"{path} has no sheet {sheet!r}; its sheets are: {_list(names)}."


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Say of whatever the reader raises that the workbook is damaged."""
    try:
        yield
    except (UnreadableError, ContractError, KeyboardInterrupt, SystemExit):
        raise
    except OSError as error:
        if error.errno not in (None, EINVAL):  # the disk's fault, not the file's
            raise
        raise _damaged(path, error) from error
    except BaseException as error:
        # the reader is Rust, whose panics are no Exception, and zip files fail in many ways
        raise _damaged(path, error) from error


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
