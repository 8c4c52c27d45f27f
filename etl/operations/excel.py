"""A sheet for Excel: what it holds exactly is a number or a date there, and all else is text.

Excel has numbers of 15 digits, times without a zone to the millisecond, and dates from 1900-03-01 on. Text is
written as text: none of it is a formula or a link, whatever it begins with.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier
from etl.errors import ConfigError

if TYPE_CHECKING:
    import duckdb

#: What a sheet has room for; its first row has the names.
MOST_ROWS = 1_048_575
MOST_COLUMNS = 16_384
MOST_LETTERS = 32_767
_DIGITS = 15
#: Before it, Excel counts a day that there never was.
_FIRST = "1900-03-01"
#: Excel reads no greater number.
_MOST_FLOAT = 9.99e307
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)?( ?\d\d:\d\d:\d\d(\.\d{1,3})?)?")
_PARSERS: dict[str, Callable[[str], date | time]] = {
    "DATE": date.fromisoformat,
    "TIMESTAMP": datetime.fromisoformat,
    "TIME": time.fromisoformat,
}
_FORMATS = {"DATE": "yyyy-mm-dd", "TIMESTAMP": "yyyy-mm-dd hh:mm:ss.000", "TIME": "hh:mm:ss.000"}
_EXACT = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "BIGNUM")


def write_sheet(found: duckdb.DuckDBPyRelation, aside: Path) -> int:
    """Write the rows of a query to a workbook of one sheet; return how many.

    Raises ConfigError if there are more rows, columns or letters than a sheet has room for.
    """
    try:
        import xlsxwriter
    except ImportError as error:
        raise ConfigError("A file for Excel needs XlsxWriter. Install it with: pip install 'etl[xlsx]'") from error
    names, types = found.columns, [str(type) for type in found.types]
    if len(names) > MOST_COLUMNS:
        raise ConfigError(f"The query makes {len(names):,} columns, and a sheet holds {MOST_COLUMNS:,}.")
    columns = [f"{_cell_sql(name, type)} as {identifier(name)}" for name, type in zip(names, types, strict=True)]
    # in order, row by row: the file is written as it goes
    with xlsxwriter.Workbook(str(aside), {"constant_memory": True, "nan_inf_to_errors": False}) as book:
        sheet = book.add_worksheet("rows")
        sheet.freeze_panes(1, 0)
        bold = book.add_format({"bold": True})
        for column, name in enumerate(names):
            sheet.write_string(0, column, name, bold)
        formats = {type: book.add_format({"num_format": text}) for type, text in _FORMATS.items()}
        writers = [_writer(sheet, type, formats) for type in types]
        return _rows(found.project(", ".join(columns)), names, writers)


def _rows(cells: duckdb.DuckDBPyRelation, names: list[str], writers: list[Callable[[int, int, Any], None]]) -> int:
    row = 0
    for batch in cells.to_arrow_reader(10_000):
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            row += 1
            if row > MOST_ROWS:
                raise ConfigError(
                    f"The query has more than {MOST_ROWS:,} rows, which a sheet cannot hold. Write a .csv or "
                    ".parquet file instead."
                )
            for column, value in enumerate(values):
                if isinstance(value, str) and len(value) > MOST_LETTERS:
                    raise ConfigError(
                        f"Column {names[column]} of row {row:,} has {len(value):,} letters, and a cell holds "
                        f"{MOST_LETTERS:,}. Write a .csv or .parquet file instead."
                    )
                if value is not None:
                    writers[column](row, column, value)
    return row


def _cell_sql(name: str, type: str) -> str:
    # as text, a date may lie outside of those that Python has
    is_kept = type in ("BOOLEAN", "FLOAT", "DOUBLE")
    return identifier(name) if is_kept else f"{identifier(name)}::varchar"


def _writer(sheet: Any, type: str, formats: dict[str, Any]) -> Callable[[int, int, Any], None]:
    """Return what writes a value of a type to a row and column."""
    if type == "BOOLEAN":
        return lambda row, column, value: sheet.write_boolean(row, column, value)
    if type.removeprefix("U").startswith(_EXACT) and not type.endswith("]"):
        return lambda row, column, value: _write_exact(sheet, row, column, value)
    if type in ("FLOAT", "DOUBLE"):
        return lambda row, column, value: _write_float(sheet, row, column, value)
    if type in formats:
        return lambda row, column, value: _write_moment(sheet, row, column, value, _PARSERS[type], formats[type])
    return lambda row, column, value: sheet.write_string(row, column, value)


def _write_exact(sheet: Any, row: int, column: int, text: str) -> None:
    if len(text.lstrip("-0.").replace(".", "")) <= _DIGITS:
        sheet.write_number(row, column, Decimal(text))
    else:
        sheet.write_string(row, column, text)


def _write_float(sheet: Any, row: int, column: int, value: float) -> None:
    if math.isfinite(value) and abs(value) <= _MOST_FLOAT:
        sheet.write_number(row, column, value)
    else:
        sheet.write_string(row, column, str(value))


def _write_moment(
    sheet: Any, row: int, column: int, text: str, parse: Callable[[str], date | time], format: Any
) -> None:
    found = _MOMENT.fullmatch(text)
    if found and (found[1] is None or found[1] >= _FIRST) and not text.startswith("24"):
        sheet.write_datetime(row, column, parse(text), format)
    else:
        sheet.write_string(row, column, text)
