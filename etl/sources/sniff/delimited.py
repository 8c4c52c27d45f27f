"""Drafts from delimited text: dialect, header, notation, then each column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile

from etl.errors import ConfigError, counted
from etl.sources.columns import is_own_column
from etl.sources.sniff import names
from etl.sources.sniff.columns import column
from etl.sources.sniff.dialect import SEPARATOR, Layout, blank_layout, find_layout, records_of
from etl.sources.sniff.fixed import fixed_drafts
from etl.sources.sniff.footers import footer_of, pattern_of
from etl.sources.sniff.headers import columns_of, header_size, is_names
from etl.sources.sniff.notation import Notation, cells_of, find_notation
from etl.sources.sniff.oddities import of_text
from etl.sources.sniff.records import NULL, Row, marks, split
from etl.sources.sniff.render import Draft
from etl.sources.sniff.sample import SAMPLE_RECORDS, Sample, Text, decode

_MOST_HEADER = 3
#: What tells the line of a title: its first words.
_TITLE = re.compile(r"\W*(?:\w+\W+){0,3}\w*")


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Records apart: those of the header, sound rows, and what does not fit."""

    header: list[Row]
    rows: list[Row]
    odd: list[Row]
    is_whole: bool
    footer: list[Row] = field(default_factory=list)
    #: Records that say what the header says.
    repeated: int = 0
    #: Whether the header has another number of cells than the records.
    is_uneven: bool = False

    @property
    def given(self) -> list[str]:
        """The names that the header gives, its lines joined as Csv does; empty ones without a header."""
        width = len((self.header or self.rows)[0].cells)
        rows = [row.cells for row in self.header] or [[""] * width]
        return [" ".join(filter(None, parts)) for parts in zip(*rows, strict=True)]

    @property
    def names(self) -> list[str]:
        """The columns' names, made up where the header has none that a contract can have."""
        given = [name.strip() for name in self.given]
        return names.distinct([name.lstrip("_") + "_" if is_own_column(name) else name for name in given])

    @property
    def has_plain_header(self) -> bool:
        """Whether the header names every column, so that a contract can have the names."""
        return bool(self.header) and self.given == self.names and not self.is_uneven


def delimited_drafts(sample: Sample, delimiter: str = "") -> Iterator[Draft]:
    """Yield the draft of a sample of delimited text; then without what it skips, if a record is among that."""
    text = decode(sample)
    try:
        layout = find_layout(sample.path, text.text, delimiter)
    except ConfigError:
        found = False
        for draft in _otherwise(sample, text):
            found = True
            yield draft
        if not found:
            raise
        return
    table = _table(sample, text.text, layout)
    if not table.header and (above := _names_above(text.text, layout)):
        layout = replace(layout, preamble=above.line - 1)
        table = _table(sample, text.text, layout)
    yield _draft(sample, text, layout, table)
    if pattern := _preamble_pattern(text.text, layout, table):
        draft = _draft(sample, text, layout, table)
        yield replace(draft, options={**draft.options, "preamble": pattern})
    if table.footer:
        yield _draft(sample, text, layout, replace(table, rows=table.rows + table.footer, footer=[]))
    if layout.preamble:
        layout = replace(layout, preamble=0)
        yield _draft(sample, text, layout, _table(sample, text.text, layout))
    if table.header:
        yield _draft(sample, text, layout, replace(table, header=[], rows=table.header + table.rows))
    if len({len(line) for line in text.text.splitlines()}) == 1:
        yield from fixed_drafts(sample, text)


def _otherwise(sample: Sample, text: Text) -> Iterator[Draft]:
    """Yield the drafts of a text that no usual delimiter divides: by blanks, by width, or one value a line."""
    lines = [line for line in text.text.splitlines() if line.strip()]
    layout = blank_layout(text.text)
    if layout is None:
        yield from fixed_drafts(sample, text)
        if len(lines) < 2 or any(len(line.split()) > 1 for line in lines):
            return
        layout = Layout(dialect=marks(next(mark for mark in ",;|~" if mark not in text.text)), width=1)
    yield _draft(sample, text, layout, _table(sample, text.text, layout))


def _draft(sample: Sample, text: Text, layout: Layout, table: _Table) -> Draft:
    rows = [row.cells for row in table.rows if len(row.cells) == layout.width]
    cells = columns_of(rows) if rows else [cells_of([]) for _ in table.names]
    notation = find_notation(cells)
    return Draft(
        path=sample.path,
        columns=tuple(
            column(name, column_cells, notation, is_first=index == 0)
            for index, (name, column_cells) in enumerate(zip(table.names, cells, strict=True))
        ),
        format="Csv",
        options=_options(text, layout, notation, table),
        records=len(rows),
        is_whole=table.is_whole,
        notes=(*text.notes, *_remarks(table, text.text, layout), *notation.notes),
        oddities=tuple(of_text(sample)),
    )


def _table(sample: Sample, text: str, layout: Layout) -> _Table:
    most = SAMPLE_RECORDS + _MOST_HEADER
    records = list(islice(records_of(text, layout), most + 1))
    is_whole = sample.is_whole and len(records) <= most
    if not sample.is_whole and len(records) > 1:
        del records[-1]  # its end may lie beyond the sample
    footer = footer_of(records, layout.width) if is_whole else []
    records = records[: len(records) - len(footer)]
    if footer and layout.dialect.grammar and footer[-1].text == "\\.":
        del footer[-1]  # the end marker, which the grammar knows
    fitting = [record for record in records if len(record.cells) == layout.width]
    odd = [record for record in records if len(record.cells) != layout.width]
    size = header_size([record.cells for record in fitting[: SAMPLE_RECORDS + _MOST_HEADER]])
    header, rows = fitting[:size], fitting[size : size + SAMPLE_RECORDS]
    is_uneven = False
    if not header and odd and odd[0].line < fitting[0].line and is_names(odd[0].cells, layout.width):
        # names of other columns than the records have: more, or fewer
        header, odd, is_uneven = odd[:1], odd[1:], True
        header = [header[0]._replace(cells=[*header[0].cells, *[""] * layout.width][: layout.width])]
    said = [] if is_uneven else [row.cells for row in header]
    kept = [row for row in rows if row.cells not in said]
    return _Table(
        header=header,
        rows=kept,
        odd=odd,
        is_whole=is_whole and size + len(rows) == len(fitting),
        footer=footer,
        repeated=len(rows) - len(kept),
        is_uneven=is_uneven,
    )


def _options(text: Text, layout: Layout, notation: Notation, table: _Table) -> dict[str, object]:
    """Return the arguments of Csv that are not its defaults."""
    dialect, nulls = layout.dialect, notation.nulls
    if dialect.grammar:
        # its own null is the default, and what is empty is not null
        nulls = tuple(null for null in nulls if null not in ("", NULL)) or ("",)
    size = len(table.header)
    has_names = bool(table.header) and not table.has_plain_header
    separator = SEPARATOR.match(text.text)
    given: dict[str, tuple[object, object]] = {
        "delimiter": (dialect.delimiter.decode(), ","),
        "quote": (dialect.quote.decode(), '"'),
        "escape": ("" if dialect.grammar else dialect.escape.decode(), ""),
        "header": (size if size > 1 else bool(size), True),
        "names": (table.names if has_names else [], []),
        "preamble": ("^sep=" if separator and layout.preamble == 1 else layout.preamble, 0),
        "footer": (pattern_of(table.footer, table.rows), ""),
        "comment": (dialect.comment.decode(), ""),
        "escapes": (dialect.grammar, ""),
        "null": (nulls[0] if len(nulls) == 1 else list(nulls), ""),
        "decimal": (notation.decimal, "."),
        "thousands": (notation.thousands, ""),
        "date_format": (notation.date_format, ""),
        "timestamp_format": (notation.timestamp_format, ""),
        "two_digit_years_until": (notation.two_digit_years_until, None),
        "repeated_headers": (table.repeated > 0, False),
        "trailing_delimiter": (layout.trailing_delimiter, False),
        "encoding": (text.encoding or "utf-8", "utf-8"),
    }
    if table.footer and not given["footer"][0]:
        given["footer"] = (len(table.footer), 0)
    return {option: value for option, (value, default) in given.items() if value != default}


def _names_above(text: str, layout: Layout) -> Row | None:
    """Return the row above the records that names their columns although it has another width, if any."""
    above = list(takewhile(lambda row: row.line <= layout.preamble, split(text, layout.dialect)))
    return above[-1] if above and is_names(above[-1].cells, layout.width) else None


def _preamble_pattern(text: str, layout: Layout, table: _Table) -> str:
    """Return a regular expression that the lines above the records match, and not the next one; or nothing."""
    lines = [line for line in text.splitlines()[: layout.preamble] if line.strip()]
    begins = dict.fromkeys(_TITLE.match(line)[0] for line in lines)  # type: ignore[index]
    pattern = "|".join(
        f"^{re.escape(begin)}" if re.search(r"\w", begin) else f"^{re.escape(begin)}$" for begin in begins
    )
    records = table.header or [*table.rows, *table.odd]
    return "" if not lines or any(re.search(pattern, record.text) for record in records) else pattern


def _remarks(table: _Table, text: str, layout: Layout) -> list[str]:
    """Return what a person must hear about the records."""
    notes = []
    if layout.preamble:
        skipped = [line for line in text.splitlines()[: layout.preamble] if line.strip()]
        begin = f", which begins with {skipped[0][:60]!r}" if skipped else ""
        lines = counted(layout.preamble, "line")
        notes.append(f"The first {lines}, without {layout.width} cells, are taken for a preamble{begin}.")
    if layout.dialect.comment:
        mark = layout.dialect.comment.decode()
        left_out = [line for line in text.splitlines() if line.startswith(mark)]
        seen = f"{len(left_out):,} seen, such as {left_out[0][:60]!r}"
        notes.append(f"Lines that begin with {mark} are left out: {seen}.")
    if not table.header:
        notes.append("No header was found: name the columns, which come in the order of the file.")
    elif not table.has_plain_header:
        notes.append("The header has names twice, or empty, or that etl needs: rename them in `names` and below.")
    if table.odd:
        odd = table.odd[0]
        notes.append(
            f"{counted(len(table.odd), 'record')} would go to quarantine for not having "
            f"{counted(layout.width, 'cell')}, the first is line {odd.line}: {odd.text[:60]!r}."
        )
    if table.repeated:
        notes.append(
            f"The header is there again {counted(table.repeated, 'time')} further below, and is left out "
            "there too."
        )
    if table.footer:
        lines, begin = counted(len(table.footer), "line"), table.footer[0].text[:60]
        notes.append(f"A footer of {lines} seems to stand at the end, which begins with {begin!r}.")
    return notes
