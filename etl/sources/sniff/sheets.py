"""A draft from a workbook: its sheet with the most rows, as extraction reads the cells."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from etl.errors import ConfigError, UnreadableError, few
from etl.sources.formats.excel import Excel
from etl.sources.sniff.columns import column
from etl.sources.sniff.headers import columns_of, header_size
from etl.sources.sniff.notation import Notation
from etl.sources.sniff.records import Quoted
from etl.sources.sniff.render import Draft
from etl.sources.sniff.sample import SAMPLE_RECORDS, Sample

#: Rows of a sheet: the number of each, from 1, and its cells as text.
_Rows = list[tuple[int, list[str]]]
_MOST_ABOVE = 30


def drafts(sample: Sample) -> Iterator[Draft]:
    """Yield the draft of a workbook; then without a header, if one is in doubt."""
    sheets = {name: _rows(sample.path, name) for name in _sheet_names(sample.path)}
    name = max(sheets, key=lambda sheet: len(sheets[sheet]))
    rows = sheets[name]
    if not rows:
        raise ConfigError(
            f"{sample.path} has no row with a cell: nothing can be told from it. Name another delivery."
        )
    options: dict[str, object] = {"sheet": name} if len(sheets) > 1 else {}
    notes = [f"The workbook has {len(sheets)} sheets: {few(list(sheets), 10)}."] if len(sheets) > 1 else []
    header = _header(rows)
    if header is not None:
        yield _draft(sample, rows, header, options, notes)
    yield _draft(sample, rows, None, options, notes)


def _draft(sample: Sample, rows: _Rows, header: int | None, options: dict[str, object], notes: list[str]) -> Draft:
    """Return the draft with the header at a place of `rows`."""
    below = rows[header + 1 :] if header is not None else rows
    width = max((_last(cells) for _, cells in below), default=0)
    number = 0 if header is None else rows[header][0]
    found = rows[header][1] if header is not None else []
    width = max(width, _last(found))
    named = [(found[at].strip() if at < len(found) else "") for at in range(width)]
    if header is not None:
        named = [name or f"(column {_letters(at)})" for at, name in enumerate(named)]
    else:
        named = [f"column_{at + 1}" for at in range(width)]
        notes = [*notes, "No header was found: name the columns, which come in the order of the sheet."]
    cells = columns_of([[*texts, *[""] * width][:width] for _, texts in below] or [[""] * width])
    columns = tuple(
        column(name, below_it, Notation(), is_first=at == 0)
        for at, (name, below_it) in enumerate(zip(named, cells, strict=True))
    )
    given = {} if number == 1 else {"header_row": number}
    times = [c.name for c in columns if c.annotations[0] == "pd.Timestamp"]
    return Draft(
        path=sample.path,
        columns=columns,
        format="Excel",
        options={**options, **given, **({"timestamps": times} if times else {})},
        records=len(below),
        is_whole=True,
        notes=tuple(notes),
    )


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


def _sheet_names(path: Path) -> list[str]:
    try:
        import python_calamine
    except ImportError as error:
        raise ConfigError("Workbooks need python-calamine. Install it: pip install 'etl[excel]'.") from error
    try:
        with python_calamine.load_workbook(path) as workbook:
            return list(workbook.sheet_names)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        # extraction says why
        _rows(path, None)
        raise


def _rows(path: Path, sheet: str | None) -> _Rows:
    """Return the rows of a sheet that have a cell, as extraction reads them."""
    import pyarrow.parquet

    with tempfile.TemporaryDirectory(prefix="etl-sniff-") as folder:
        try:
            opened = Excel(sheet=sheet, header_row=0).open(path, [], Path(folder) / "rows")
        except UnreadableError as error:
            raise ConfigError(str(error)) from error
        texts = [f"_text_{number}" for number in range(len(opened.columns))]
        table = pyarrow.parquet.read_table(opened.file, columns=["_line", *texts])[: SAMPLE_RECORDS + _MOST_ABOVE]
    columns = [column.to_pylist() for column in table.columns]
    # an empty text of a sheet is a null, and every other text a value
    return [
        (line, ["" if cell is None else Quoted(cell) for cell in cells])
        for line, *cells in zip(*columns, strict=True)
    ]


def _filled(cells: Sequence[str]) -> int:
    return sum(1 for cell in cells if cell.strip())


def _last(cells: Sequence[str]) -> int:
    return max((at + 1 for at, cell in enumerate(cells) if cell), default=0)


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
