"""A proposal from delimited text: dialect, header, notation, then each column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from etl.errors import ConfigError, counted
from etl.sources.columns import is_own_column
from etl.sources.formats.totals import is_total
from etl.sources.sniff import names
from etl.sources.sniff.columns import column
from etl.sources.sniff.dialect import Layout, find_layout, records_of
from etl.sources.sniff.notation import Cells, Notation, cells_of, find_notation
from etl.sources.sniff.records import NULL, Row
from etl.sources.sniff.render import Proposal, call, render
from etl.sources.sniff.sample import SAMPLE_RECORDS, Sample, Text, decode

_MOST_HEADER = 3
_MOST_FOOTER = 5
#: What tells the line of a footer: its first word, with what stands before it.
_BEGIN = re.compile(r"\W*\w*")


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Records apart: those of the header, sound rows, and what does not fit; at least one row."""

    header: list[Row]
    rows: list[Row]
    odd: list[Row]
    is_whole: bool
    footer: list[Row] = field(default_factory=list)

    @property
    def footer_pattern(self) -> str:
        """A regular expression that the footer alone matches, if there is a footer and such an expression."""
        begins = dict.fromkeys(_BEGIN.match(record.text)[0] for record in self.footer)  # type: ignore[index]
        pattern = "^" + "|^".join(map(re.escape, begins)) if begins else ""
        is_telling = all(begins) and not any(re.search(pattern, record.text) for record in self.rows)
        return pattern if is_telling else ""

    @property
    def has_plain_header(self) -> bool:
        """Whether one line names every column, so that a contract can have the names."""
        return [record.cells for record in self.header] == [self.names]

    @property
    def names(self) -> list[str]:
        """The columns' names, made up where the header has none that a contract can have."""
        given = self.header[0].cells if self.header else [""] * len(self.rows[0].cells)
        return names.distinct([name.lstrip("_") + "_" if is_own_column(name) else name for name in given])


def propose_delimited(sample: Sample, delimiter: str = "") -> str:
    """Return the contract file for a sample of delimited text."""
    text = decode(sample)
    layout = find_layout(sample.path, text.text, delimiter)
    table = _table(sample, text.text, layout)
    cells = _columns(table.rows)
    notation = find_notation(cells)
    found = [
        column(name, column_cells, notation, is_first=index == 0)
        for index, (name, column_cells) in enumerate(zip(table.names, cells, strict=True))
    ]
    format = call("Csv", _options(sample, text, layout, notation, table))
    notes = [*text.notes, *_remarks(table, text.text, layout), *notation.notes]
    return render(
        Proposal(
            path=sample.path,
            columns=found,
            format=format,
            records=len(table.rows),
            is_whole=table.is_whole,
            notes=notes,
        )
    )


def _table(sample: Sample, text: str, layout: Layout) -> _Table:
    most = SAMPLE_RECORDS + _MOST_HEADER
    records = list(islice(records_of(text, layout), most + 1))
    is_whole = sample.is_whole and len(records) <= most
    if not sample.is_whole and len(records) > 1:
        del records[-1]  # its end may lie beyond the sample
    footer = _footer(records, layout) if is_whole else []
    records = records[: len(records) - len(footer)]
    if footer and layout.dialect.grammar and footer[-1].text == "\\.":
        del footer[-1]  # the end marker, which the grammar knows
    fitting = [record for record in records if len(record.cells) == layout.width]
    odd = [record for record in records if len(record.cells) != layout.width]
    size = _header_size(fitting)
    header, rows = fitting[:size], fitting[size : size + SAMPLE_RECORDS]
    if not rows:
        raise ConfigError(
            f"{sample.path} has a header ({', '.join(header[0].cells)[:200]}) and no record: nothing can be told "
            "of its columns. Name a delivery that has records."
        )
    return _Table(
        header=header, rows=rows, odd=odd, is_whole=is_whole and size + len(rows) == len(fitting), footer=footer
    )


def _footer(records: Sequence[Row], layout: Layout) -> list[Row]:
    """Return the last records that are not of the table: of another width, or totals that say so; not all."""
    count = 0
    for record in reversed(records[2:]):
        if len(record.cells) == layout.width and not any(map(is_total, record.cells)):
            break
        count += 1
    return list(records[len(records) - count :]) if 0 < count <= _MOST_FOOTER else []


def _columns(records: Sequence[Row]) -> list[Cells]:
    return [cells_of(texts) for texts in zip(*(record.cells for record in records), strict=True)]


def _header_size(records: Sequence[Row]) -> int:
    """Return how many records name the columns: their texts have not the types of those below."""
    if len(records) == 1:
        return int(all(cell and Notation().type_of(cells_of([cell])) == "str" for cell in records[0].cells))
    for size in range(1, min(_MOST_HEADER, len(records) - 1) + 1):
        cells = _columns(records[size:])
        notation = find_notation(cells)
        votes = [_vote(record, cells, notation) for record in records[:size]]
        if min(votes) > 0:
            return size
        if size == 1 and votes[0] < 0:
            return 0
    # text throughout: a header is complete, and has no numbers
    first = records[0].cells
    votes = [_vote(records[0], _columns(records[1:]), Notation())]
    return int(votes[0] == 0 and all(name and not name.isdecimal() for name in first))


def _vote(record: Row, columns: Sequence[Cells], notation: Notation) -> int:
    """Return how many of a record's cells look like names, less those that look like values."""
    votes = 0
    for name, below in zip(record.cells, columns, strict=True):
        type = notation.type_of(below)
        if type != "str" and name:
            votes += 1 if notation.readers[type](name) is None and name not in notation.nulls else -1
        elif name in below.values:
            votes -= 1
    return votes


def _options(sample: Sample, text: Text, layout: Layout, notation: Notation, table: _Table) -> dict[str, object]:
    """Return the arguments of Csv that are not its defaults."""
    skipped, dialect = layout.preamble, layout.dialect
    if table.header and not table.has_plain_header:
        last = table.header[-1]
        skipped = last.line + len(last.text.splitlines()) - 1
    nulls = notation.nulls
    if dialect.grammar:
        # its own null is the default, and what is empty is not null
        nulls = tuple(null for null in nulls if null not in ("", NULL)) or ("",)
    given: dict[str, tuple[object, object]] = {
        "delimiter": (dialect.delimiter.decode(), ","),
        "quote": (dialect.quote.decode(), '"'),
        "escape": ("" if dialect.grammar else dialect.escape.decode(), ""),
        "header": (table.has_plain_header, True),
        "preamble": (skipped, 0),
        "footer": (table.footer_pattern, ""),
        "comment": (dialect.comment.decode(), ""),
        "escapes": (dialect.grammar, ""),
        "null": (nulls[0] if len(nulls) == 1 else nulls, ""),
        "decimal": (notation.decimal, "."),
        "thousands": (notation.thousands, ""),
        "date_format": (notation.date_format, ""),
        "timestamp_format": (notation.timestamp_format, ""),
        "two_digit_years_until": (notation.two_digit_years_until, None),
        "trailing_delimiter": (layout.trailing_delimiter, False),
        "encoding": (text.encoding or "utf-8", "utf-8"),
    }
    return {option: value for option, (value, default) in given.items() if value != default}


def _remarks(table: _Table, text: str, layout: Layout) -> list[str]:
    """Return what a person must hear about the records."""
    notes = []
    if layout.preamble:
        skipped = [line for line in text.splitlines()[: layout.preamble] if line.strip()]
        begin = f", which begins with {skipped[0][:60]!r}" if skipped else ""
        lines = counted(layout.preamble, "line")
        notes.append(f"The first {lines}, without {layout.width} cells, are taken for a preamble{begin}.")
    if not table.header:
        notes.append("No header was found: name the columns, which come in the order of the file.")
    elif len(table.header) > 1:
        notes.append(f"The header has {len(table.header)} lines: it is skipped, the names are those of the first.")
    elif not table.has_plain_header:
        notes.append("The header has names twice, or empty, or that etl needs: it is skipped, rename the columns.")
    if table.odd:
        odd = table.odd[0]
        notes.append(
            f"{counted(len(table.odd), 'record')} would go to quarantine for not having "
            f"{counted(layout.width, 'cell')}, the first is line {odd.line}: {odd.text[:60]!r}."
        )
    if table.footer:
        lines, begin = counted(len(table.footer), "line"), table.footer[0].text[:60]
        how = "" if table.footer_pattern else ". Say by footer= which lines it has"
        notes.append(f"A footer of {lines} seems to stand at the end, which begins with {begin!r}{how}.")
    return notes
