"""One small maker for each format, of how a sender writes a table; a new format that has one is under all laws."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from etl.sources.formats import Csv, Debezium, Excel, FixedWidth, Format, Json, JsonLines, Parquet, Xml

#: A cell of FixedWidth is so many characters; what the laws write is shorter.
WIDTH = 14
Cell = int | str | Decimal | None


@dataclass(frozen=True)
class Maker:
    """How files of a format are written.

    `fmt` returns the format of files with these columns. `write` returns a file of them. `nested` returns a
    cell that holds a text in every place that a cell of the format has: parts, their names, attributes; where
    cells are plain texts, the text.
    """

    fmt: Callable[[Sequence[str]], Format]
    write: Callable[[Sequence[str], Sequence[Sequence[Any]]], bytes]
    nested: Callable[[str], Any] = lambda text: text


@dataclass(frozen=True)
class Element:
    """A cell of XML as it is written, behind the element's name."""

    inner: str


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([columns, *rows])
    return text.getvalue().encode()


def _fixed(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    lines = ("".join(("" if cell is None else str(cell)).ljust(WIDTH) for cell in row) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def _fixed_format(columns: Sequence[str]) -> FixedWidth:
    return FixedWidth(columns={name: (n * WIDTH + 1, (n + 1) * WIDTH) for n, name in enumerate(columns)})


def _json(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    return json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str).encode()


def _json_lines(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    lines = (json.dumps(dict(zip(columns, row, strict=True)), default=str, ensure_ascii=False) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def _debezium(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    """Return an insert of each row, as a connector of PostgreSQL tells it."""
    lines = []
    for number, row in enumerate(rows):
        source = {"connector": "postgresql", "lsn": 24_023_128 + number, "txId": 555, "ts_ms": 1_709_251_200_123}
        after = dict(zip(columns, row, strict=True))
        change = {"before": None, "after": after, "source": source, "op": "c", "ts_ms": 1_709_251_200_456}
        lines.append(json.dumps(change, default=str, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines).encode()


def _json_rows(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    return json.dumps([columns, *map(list, rows)], default=str).encode()


def _json_groups(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    """Return a document in which every sale is in a list of its item's."""
    sales = [dict(zip(columns, row, strict=True)) for row in rows]
    groups = [{"item": sale.pop("item", None), "sales": [sale]} for sale in sales]
    return json.dumps({"groups": [{"sales": []}, *groups]}, default=str).encode()


def _json_groups_format(columns: Sequence[str]) -> Json:
    return Json(records="groups[].sales", paths={"item": "../item"})


def _json_sequence(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    texts = (json.dumps(dict(zip(columns, row, strict=True)), default=str, indent=1) for row in rows)
    return "".join(texts).encode()


def _parquet(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    cells = zip(*rows, strict=True) if rows else [()] * len(columns)
    arrays = [_array(list(column)) for column in cells]
    target = io.BytesIO()
    pq.write_table(pa.table(arrays, names=list(columns)), target)
    return target.getvalue()


def _array(cells: list[Cell]) -> pa.Array:
    if len({type(cell) for cell in cells if cell is not None}) == 1:
        return pa.array(cells)
    return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())


def _excel(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    book = openpyxl.Workbook()
    for row in [columns, *rows]:
        book.active.append(list(row))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _report(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    """Return a workbook whose rows lie on two sheets, below a title and a header of two rows, above a total."""
    book = openpyxl.Workbook()
    book.active.title = "part 1"
    half = (len(rows) + 1) // 2
    for sheet, part in ((book.active, rows[:half]), (book.create_sheet("part 2"), rows[half:])):
        sheet.append(["Sales of the month"])
        sheet.append([])
        sheet.append(list(columns))
        for at in range(1, len(columns) + 1):
            sheet.merge_cells(start_row=3, end_row=4, start_column=at, end_column=at)
        sheet.append([])
        for number, row in enumerate(part, 5):
            for at, cell in enumerate(row, 1):
                sheet.cell(number, at, "(none)" if cell is None else cell)
        sheet.cell(len(part) + 5, 1, "Total:")
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _report_format(columns: Sequence[str]) -> Excel:
    return Excel(sheet="part *", header_row=3, header_rows=2, footer="^Total:$", null="(none)", fill_merged=True)


def _xml(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    records = (f"<sale>{''.join(map(_element, columns, row))}</sale>" for row in rows)
    return "\n".join(["<sales>", *records, "</sales>"]).encode()


def _xml_groups(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return a document with an element around each sale that has its price; an attribute tells its cells."""
    groups = []
    for row in rows:
        cells = dict(zip(columns, row, strict=True))
        price, item = cells.pop("price", None), cells.pop("item", None)
        given = "" if price is None else f" price={quoteattr(str(price))}"
        told = "" if item is None else f'<is what="item"{_element("is", item).removeprefix("<is")}'
        groups.append(f"<group{given}><sale>{''.join(map(_element, cells, cells.values()))}{told}</sale></group>")
    return "\n".join(["<sales>", *groups, "<group/>", "</sales>"]).encode()


def _xml_groups_format(columns: Sequence[str]) -> Xml:
    return Xml(record="sales/group/sale", fields={"item": "is[@what='item']", "price": "../@price"})


def _element(name: str, cell: Any) -> str:
    if cell is None:
        return ""
    return f"<{name}{cell.inner if isinstance(cell, Element) else f'>{escape(str(cell))}'}</{name}>"


def _nested_xml(text: str) -> Element:
    inner = f"<b c={quoteattr(text)}>{escape(text)}<i>{escape(text)}</i>{escape(text)}</b>"
    return Element(f" a={quoteattr(text)}>{escape(text)}{inner}{escape(text)}<!--{text}--><![CDATA[{text}]]>")


def _nested_json(text: str) -> Any:
    return {"a": text, text: [text, {"b": text, "c": [[text]]}]}


def _escaped(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    special = str.maketrans({"\\": "\\\\", '"': '\\"'})
    cells = [["" if cell is None else f'"{str(cell).translate(special)}"' for cell in row] for row in rows]
    return "".join(",".join(row) + "\n" for row in [columns, *cells]).encode()


def _copy(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    special = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\\n", "b": "\\x62", "|": "\\|"})
    cells = [["\\N" if cell is None else str(cell).translate(special) for cell in row] for row in rows]
    return "".join("\t".join(row) + "\n" for row in [columns, *cells]).encode() + b"\\.\n"


#: One for each format that there is, by its name, and for what a format can speak besides.
MAKERS = {
    "Csv": Maker(lambda columns: Csv(), _csv),
    "Csv, escape": Maker(lambda columns: Csv(escape="\\"), _escaped),
    "Csv, by lines": Maker(lambda columns: Csv(repeated_headers=True), _csv),
    "Csv, trimmed": Maker(
        lambda columns: Csv(
            delimiter="\t", quote="", escapes="copy", trimmed=[*columns[-1:]], repeated_headers=True
        ),
        _copy,
    ),
    "Csv, copy": Maker(lambda columns: Csv(delimiter="\t", quote="", escapes="copy"), _copy),
    "Debezium": Maker(lambda columns: Debezium(), _debezium, _nested_json),
    "Excel": Maker(lambda columns: Excel(), _excel),
    "Excel, report": Maker(_report_format, _report),
    "FixedWidth": Maker(_fixed_format, _fixed),
    "Json": Maker(lambda columns: Json(), _json, _nested_json),
    "Json, header": Maker(lambda columns: Json(header=True), _json_rows, _nested_json),
    "Json, groups": Maker(_json_groups_format, _json_groups, _nested_json),
    "JsonLines": Maker(lambda columns: JsonLines(), _json_lines, _nested_json),
    "JsonLines, concatenated": Maker(lambda columns: JsonLines(concatenated=True), _json_sequence, _nested_json),
    "Parquet": Maker(lambda columns: Parquet(), _parquet, lambda text: {"a": text, "b": [{"c": text}]}),
    "Xml, groups": Maker(_xml_groups_format, _xml_groups, _nested_xml),
    "Xml": Maker(lambda columns: Xml(record="sales/sale"), _xml, _nested_xml),
}
