"""A draft from a workbook: its sheet with the most rows and those like it, as extraction reads the cells."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from etl.contract.values import TIMES
from etl.errors import ConfigError, UnreadableError, few
from etl.sources.formats.excel import Excel
from etl.sources.formats.excel_archive import Range
from etl.sources.formats.excel_sheets import sheets
from etl.sources.formats.limits import Limit
from etl.sources.sniff.columns import column
from etl.sources.sniff.footers import footer_of, pattern_of
from etl.sources.sniff.headers import columns_of, header_size
from etl.sources.sniff.names import free
from etl.sources.sniff.notation import Notation
from etl.sources.sniff.records import Quoted, Row
from etl.sources.sniff.render import Draft
from etl.sources.sniff.sample import SAMPLE_RECORDS, Sample

#: Rows of a sheet: the number of each, from 1, and its cells as text.
_Rows = list[tuple[int, list[str]]]
_MOST_ABOVE = 30


class _Page(NamedTuple):
    """A sheet: its rows that have a cell, and its merged ranges."""

    name: str
    rows: _Rows
    merged: Sequence[Range]


def drafts(sample: Sample) -> Iterator[Draft]:
    """Yield drafts of a workbook: with a header of several rows or of one, then without, if one is in doubt."""
    pages = _pages(sample.path)
    main = max(pages, key=lambda page: len(page.rows), default=_Page("", [], ()))
    if not main.rows:
        raise ConfigError(
            f"{sample.path} has no row with a cell: nothing can be told from it. Name another delivery."
        )
    for head in _heads(main):
        like = [page.name for page in pages if _titles(page, head) == _titles(main, head) != []]
        sheet: dict[str, Any] = {"sheet": main.name} if len(pages) > 1 else {}
        if len(like) > 1:
            sheet = {"sheet": "*" if len(like) == len(pages) else like, "sheet_column": "sheet"}
        notes = [f"The workbook has {len(pages)} sheets: {few([p.name for p in pages], 10)}."] * (len(pages) > 1)
        yield _draft(sample, {**sheet, **head, **_foot(main, head), **_filled_ranges(main, head)}, notes)


def _draft(sample: Sample, options: Mapping[str, Any], notes: Sequence[str]) -> Draft:
    """Return the draft with these options, which are shown unless they are the default."""
    fmt = Excel(**options)
    if fmt.sheet_column:
        taken = _read(sample.path, Excel(**{**options, "sheet_column": ""}))[0]
        fmt = Excel(**{**options, "sheet_column": free("sheet", [name.lower() for name in taken])})
    named, rows = _read(sample.path, fmt)
    if not fmt.header_row:
        named = [f"column_{at + 1}" for at in range(len(named))]
        notes = [*notes, "No header was found: name the columns, which come in the order of the sheet."]
    cells = columns_of([texts for _, texts in rows] or [[""] * len(named)])
    columns = tuple(
        column(name, below, Notation(), is_first=at == 0)
        for at, (name, below) in enumerate(zip(named, cells, strict=True))
    )
    times = [c.name for c in columns if c.annotations[0] == "pd.Timestamp"]
    given = {name: getattr(fmt, name) for name in options if (name, getattr(fmt, name)) != ("header_row", 1)}
    return Draft(
        path=sample.path,
        columns=columns,
        format="Excel",
        options={**given, **({"timestamps": times} if times else {})},
        records=len(rows),
        is_whole=True,
        notes=tuple(notes),
    )


def _heads(page: _Page) -> Iterator[dict[str, Any]]:
    """Yield what says which rows name the columns: several with merged cells, then one, then none."""
    if several := _merged_header(page):
        yield several
    header = _header(page.rows)
    if header is not None:
        yield {"header_row": page.rows[header][0]}
    yield {"header_row": 0}


def _merged_header(page: _Page) -> dict[str, Any]:
    """Return which rows name the columns together; empty if merged cells do not say so."""
    rows = dict(page.rows)
    width = max(_last(cells) for _, cells in page.rows)
    for number, cells in page.rows[:_MOST_ABOVE]:
        own = [(end - top + 1, right - left + 1) for top, left, end, right in page.merged if top == number - 1]
        if _filled(cells) < 2 or not any(1 < across < width for _, across in own):
            continue
        size = max(2, *(down for down, _ in own))
        below = [rows.get(number + at, []) for at in range(1, size)]
        # a header has words in all of its rows, and nothing in the columns that a row above names alone
        if all(map(_filled, below)) and not any(cell[:1].isdigit() for row in below for cell in row):
            return {"header_row": number, "header_rows": size}
    return {}


def _titles(page: _Page, head: Mapping[str, Any]) -> list[list[str]]:
    """Return the texts of the rows that name the columns, whatever their order."""
    start = head["header_row"]
    wanted = range(start, start + head.get("header_rows", 1)) if start else ()
    return [
        sorted(cell.strip() for cell in cells if cell.strip()) for number, cells in page.rows if number in wanted
    ]


def _end(head: Mapping[str, Any]) -> int:
    """Return the last row of a header, from 1; 0 without one."""
    return int(head["header_row"] and head["header_row"] + head.get("header_rows", 1) - 1)


def _foot(page: _Page, head: Mapping[str, Any]) -> dict[str, Any]:
    """Return what says which of the last rows are not records; empty if none is."""
    width = max(_last(cells) for _, cells in page.rows)
    rows = [
        Row(number, [*cells, *[""] * width][:width], "\t".join(filter(None, cells)))
        for number, cells in page.rows
        if number > _end(head)
    ]
    # where every row above has a second cell, one with a single cell is not as wide as the table
    filled = [_filled(row.cells) for row in rows]
    first_lone = filled.index(1) if 1 in filled else len(rows)
    always = [all(row.cells[at] for row in rows[:first_lone]) for at in range(width)]
    if sum(always) > 1:
        rows = [
            row._replace(cells=[c for c in row.cells if c]) if _filled(row.cells) == 1 else row for row in rows
        ]
    footer = footer_of(rows, width)
    return {"footer": pattern_of(footer, rows[: len(rows) - len(footer)]) or len(footer)} if footer else {}


def _filled_ranges(page: _Page, head: Mapping[str, Any]) -> dict[str, Any]:
    """Return that merged cells are filled, if some records have one in common."""
    last = page.rows[-1][0] if head["header_row"] else 0
    is_common = any(_end(head) <= top < end < last and left == right for top, left, end, right in page.merged)
    return {"fill_merged": True} if is_common else {}


def _header(rows: _Rows) -> int | None:
    """Return the place of the row that names the columns: the first that is as wide as those below, if it does."""
    width = max(_filled(cells) for _, cells in rows[:500])
    for place, (_, cells) in enumerate(rows[:_MOST_ABOVE]):
        if _filled(cells) < max(width * 0.6, min(width, 2)):
            continue
        last = max(_last(texts) for _, texts in rows[place:])
        table = [[*texts, *[""] * last][:last] for _, texts in rows[place:]]
        is_named = all(cells[at].strip() for at in range(min(last, len(cells))))
        names = [cell.strip() for cell in cells if cell.strip()]
        if len(set(names)) < len(names) or header_size(table) == 0:
            return None
        return place if is_named or len(names) > 1 or last == 1 else None
    return None


def _pages(path: Path) -> list[_Page]:
    """Return the sheets of a workbook that have a cell."""
    try:
        limit = Limit(path, TIMES)
        with closing(sheets(path, "*", limit)) as found:
            ranges = {sheet.name: sheet.found.merged for sheet in found}
    except UnreadableError as error:
        raise ConfigError(str(error)) from error
    return [_Page(name, _read(path, Excel(sheet=name, header_row=0))[1], ranges[name]) for name in ranges]


def _read(path: Path, fmt: Excel) -> tuple[list[str], _Rows]:
    """Return the columns, and the rows that have a cell, as extraction reads them."""
    import pyarrow.parquet

    with tempfile.TemporaryDirectory(prefix="etl-sniff-") as folder:
        try:
            opened = fmt.open(path, [], Path(folder) / "rows")
        except UnreadableError as error:
            raise ConfigError(str(error)) from error
        texts = [f"_text_{number}" for number in range(len(opened.columns))]
        table = pyarrow.parquet.read_table(opened.file, columns=["_line", *texts])[: SAMPLE_RECORDS + _MOST_ABOVE]
    columns = [column.to_pylist() for column in table.columns]
    # an empty text of a sheet is a null, and every other text a value
    return list(opened.columns), [
        (line, ["" if cell is None else Quoted(cell) for cell in cells])
        for line, *cells in zip(*columns, strict=True)
    ]


def _filled(cells: Sequence[str]) -> int:
    return sum(1 for cell in cells if cell.strip())


def _last(cells: Sequence[str]) -> int:
    return max((at + 1 for at, cell in enumerate(cells) if cell), default=0)
