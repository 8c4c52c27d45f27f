"""All roads of a text into the lake: the same cells in a file of each format, and what became of each record."""

import csv
import io
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

from etl.contract import Column, Contract
from etl.ledger import Receipt
from etl.sources.formats import Csv, Debezium, Excel, FixedWidth, Json, JsonLines, Parquet, Xml
from tests.support import tiny

Cells = Mapping[str, Sequence[str]]
_WIDTH = 80
_numbers = itertools.count()


def _csv(cells: Cells) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
        [[*cells], *zip(*cells.values(), strict=True)]
    )
    return written.getvalue().encode()


def _fixed_width(cells: Cells) -> bytes:
    lines = ("".join(text.ljust(_WIDTH) for text in row) for row in zip(*cells.values(), strict=True))
    return "".join(f"{line}\n" for line in lines).encode()


def _objects(cells: Cells) -> list[dict[str, str]]:
    return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]


def _xml(cells: Cells) -> bytes:
    rows = ("".join(f"<{k}>{escape(text)}</{k}>" for k, text in row.items()) for row in _objects(cells))
    return f"<rows>{''.join(f'<row>{row}</row>' for row in rows)}</rows>".encode()


def _excel(cells: Cells) -> bytes:
    import openpyxl

    book, written = openpyxl.Workbook(), io.BytesIO()
    for row in ([*cells], *zip(*cells.values(), strict=True)):
        book.active.append(row)
    book.save(written)
    return written.getvalue()


def _change(row: Mapping[str, Any]) -> str:
    return json.dumps({"op": "c", "after": row, "source": {"connector": "postgresql", "lsn": 1}})


def parquet(columns: Mapping[str, Any]) -> bytes:
    """Return a Parquet file of columns, be they texts or arrays of Arrow."""
    written = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), written)
    return written.getvalue()


#: A format's options for such a file, and its content.
ROADS: dict[str, tuple[Callable[[Cells], Any], Callable[[Cells], bytes]]] = {
    "Csv": (lambda cells: Csv, _csv),
    "FixedWidth": (
        lambda cells: (
            lambda **given: FixedWidth(
                columns={name: (n * _WIDTH + 1, (n + 1) * _WIDTH) for n, name in enumerate(cells)}, **given
            )
        ),
        _fixed_width,
    ),
    "JsonLines": (lambda cells: JsonLines, lambda cells: "\n".join(map(json.dumps, _objects(cells))).encode()),
    "Debezium": (lambda cells: Debezium, lambda cells: "\n".join(map(_change, _objects(cells))).encode()),
    "Json": (lambda cells: Json, lambda cells: json.dumps(_objects(cells)).encode()),
    "Xml": (lambda cells: lambda **given: Xml(record="rows/row", **given), _xml),
    "Excel": (lambda cells: Excel, _excel),
    "Parquet": (lambda cells: Parquet, lambda cells: parquet(cells)),
}


def taken(
    root: Path,
    columns: Sequence[Column],
    cells: Cells,
    road: str = "Csv",
    timezone: str = "UTC",
    file: bytes | None = None,
    **options: Any,
) -> tuple[dict[int, Any], dict[int, str], Receipt]:
    """Extract a file of these cells, whose column `n` numbers the records, by one road.

    Return the values of the first column and the first broken rules, by that number, and the receipt. `file` is
    the content, if it is not to be written here.
    """
    numbered = {"n": [str(number) for number in range(len(next(iter(cells.values()))))], **cells}
    make, write = ROADS[road]
    contract = Contract("T", (Column("n", "BIGINT", False), *columns))
    source = tiny.sales(contract=contract, format=make(numbered)(**options), max_reject_ratio=1.0)
    project = tiny.project(
        root / f"road-{next(_numbers)}",
        raw={"sales/2024-03-01.csv": write(numbered) if file is None else file},
        settings=f"threads = 1\ntimezone = {timezone}\n",
    )
    (receipt,) = tiny.take(project, source)
    rows = dict(tiny.rows_of(project, columns=f'n, "{columns[0].name}"'))
    order = {"Csv": 2, "Excel": 2}.get(road, 1)
    rejects = tiny.rejects_of(project, columns="line, rule") if receipt.details["rejected"] else []
    if road in ("Json", "Xml"):
        numbers = (number for number in range(len(numbered["n"])) if number not in rows)
        return rows, {number: rule for number, (_, rule) in zip(numbers, rejects, strict=True)}, receipt
    return rows, {line - order: rule for line, rule in rejects}, receipt
