"""Polluted files of every kind: no row comes out wrong, none is lost, and nothing else is loaded."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl.contract import Column, Contract
from etl.ledger import Receipt
from tests.support import pollution, tiny
from tests.support.pollution import COLUMNS, Polluted, Sheet

pytestmark = pytest.mark.sampled

CONTRACT = Contract("Lights", tuple(Column(name, "VARCHAR", True) for name in COLUMNS))
_BASE = Sheet()


def extracted(root: Path, files: Iterable[Polluted]) -> tuple[dict[str, list[Any]], dict[str, list[Any]], Receipt]:
    """Take files of one dialect into the lake, as one delivery; return rows and rejects by file."""
    files = list(files)
    assert len({repr(file.dialect) for file in files}) == 1
    raw = {f"sales/2024-03-01/{file.name}.csv": file.content for file in files}
    assert len(raw) == len(files), "a name is there twice"
    project = tiny.project(root, raw=raw)
    source = tiny.sales(
        contract=CONTRACT,
        files="sales/{date}/*.csv",
        format=files[0].format,
        max_reject_ratio=1.0,
        empty="partition",
    )
    (receipt,) = tiny.take(project, source)
    columns = ", ".join(COLUMNS)
    return _by_file(project.lake, columns), _by_file(project.quarantine, "line, text, raw"), receipt


def _by_file(base: Path, columns: str) -> dict[str, list[Any]]:
    found = defaultdict(list)
    for path in base.glob("sales/*/data.parquet"):
        name = "file" if base.name == "quarantine" else "_file"
        with duckdb.connect() as con:
            for file, *row in con.execute(f"select {name}, {columns} from read_parquet('{path}')").fetchall():
                found[Path(file).stem].append(tuple(row))
    return found


def faults(file: Polluted, rows: list[Any], rejects: list[Any]) -> Iterator[str]:
    """Yield what is wrong with what became of a file."""
    lines = pollution.content_lines(file.content)
    held = set()
    for line, text, raw in rejects:
        kept = pollution.content_lines((text.encode(file.format.encoding) if raw is None else raw) + b"\n")
        held.update(range(line, line + len(kept)))
        if lines[line - 1 : line - 1 + len(kept)] != kept:
            yield f"quarantine says of line {line}: {kept}, the file: {lines[line - 1 : line - 1 + len(kept)]}"
    left = Counter(rows)
    for row in file.rows:
        if left[row.cells] and not (row.is_damaged and held.issuperset(row.lines)):
            left[row.cells] -= 1
        elif not held.issuperset(row.lines):
            yield f"lost: {row}"
        elif not row.is_damaged:
            yield f"needlessly in quarantine: {row}"
    for cells in left.elements():
        yield f"wrong: {cells}"
    if stray := held - file.strangers - {line for row in file.rows for line in row.lines}:
        yield f"quarantined though no row: lines {sorted(stray)}"
    if missing := {line for line in file.strangers if lines[line - 1]} - held:
        yield f"neither loaded nor quarantined: lines {sorted(missing)}"


def check(root: Path, files: Iterable[Polluted]) -> None:
    files = list(files)
    rows, rejects, receipt = extracted(root, files)
    wrong = [
        f"{file.name}: {fault}" for file in files for fault in faults(file, rows[file.name], rejects[file.name])
    ]
    assert wrong == []
    counted = sum(map(len, rows.values())), sum(map(len, rejects.values()))
    details = receipt.details
    assert counted == (details["rows"], details["rejected"])
    assert details["records"] == sum(counted)


def test_a_damaged_cell_costs_its_own_record_and_no_other(tmp_path: Path) -> None:
    check(tmp_path, pollution.cells_damaged(_BASE))


def test_a_damaged_row_costs_itself_and_no_other(tmp_path: Path) -> None:
    check(tmp_path, pollution.rows_damaged(_BASE))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_what_is_around_the_rows_is_not_taken_for_one(tmp_path: Path, end: str) -> None:
    check(tmp_path, pollution.around(Sheet(end=end)))


@pytest.mark.parametrize("sheet", pollution.dialects(), ids=lambda sheet: f"{sheet.dialect} {sheet.end!r}")
def test_every_dialect_is_read_as_it_is_declared(tmp_path: Path, sheet: Sheet) -> None:
    check(tmp_path, pollution.around(sheet))


@pytest.mark.parametrize("file", pollution.layouts(), ids=lambda file: file.name)
def test_what_is_declared_to_be_around_the_rows_is_none(tmp_path: Path, file: Polluted) -> None:
    check(tmp_path, [file])


def test_rows_swallowed_by_a_stray_quote_are_given_away_by_what_they_leave(tmp_path: Path) -> None:
    """A quote too many before the line end is closed by that of a cell which starts with a line end."""
    table = [("a", "b", "c", "d", "e", f"f{n}") for n in range(3)] + [("v", "w", "x", "y", "z", "\nmore")]
    sheet = Sheet(table=table)
    sheet.rows = [[cell or "" for cell in row] for row in table]
    sheet.rows[3][5] = '"\nmore"'
    files = [sheet.file(f"r{row}", changed={row: 'a,b,c,d,e,"'}, damaged=range(4)) for row in range(3)]
    check(tmp_path, files)
