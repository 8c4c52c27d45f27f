"""What is above and below the records of a delimited file: preamble, header, footer."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from etl.sources.formats import escapes, splitter
from etl.sources.formats.file_text import FileText
from etl.sources.formats.scanner import Dialect, Record

_PART_BYTES = 8 << 20
#: The groups of a pattern of lines above or below that count: the records, or all lines of the file.
COUNTED = ("records", "lines")


class Layout(NamedTuple):
    """The lines of a file that are no records, as its source declares them."""

    header: bool | int
    preamble: int | str
    footer: int | str
    names: Sequence[str]


class Skip(NamedTuple):
    """A line that is skipped by its number, and what says so; its record may have several physical lines."""

    start: int
    end: int
    option: str
    role: str


class Body(NamedTuple):
    """Where the records are: from byte `start`, which is on physical line `line`, to byte `end`."""

    start: int
    end: int
    line: int
    #: The names that the header gives; None without a header, or when it is not read.
    names: tuple[str, ...] | None
    #: The cells of each header line, by which a second table of the same kind is known.
    headers: tuple[tuple[str, ...], ...]
    #: Whether each record above is a line, and each line sound: DuckDB reads quotes even in lines that it skips.
    is_sound: bool
    #: The lines above and below the records.
    skipped: int
    #: Those of them that are skipped by their number alone.
    skips: tuple[Skip, ...]
    #: What the lines above and below count: the option whose pattern says so, of what, and how many.
    counts: tuple[tuple[str, str, str], ...] = ()


def find_body(content: bytes | FileText, layout: Layout, dialect: Dialect) -> Body:
    """Find the records of a file between what its layout says is above and below them."""
    start = text_start(content)
    top, line = start, 1
    skips: list[Skip] = []
    counts = []
    above = list(_preamble(content, start, layout.preamble))
    counts += _counts(content, "preamble", layout.preamble, above)
    for begin, end in above:
        start, line = end, line + 1
        if not isinstance(layout.preamble, str):
            skips.append(Skip(begin, end, f"preamble={layout.preamble}", "above"))
    is_sound = not dialect.quote or dialect.quote not in content[:start]
    heads: list[tuple[str, ...]] = []
    for _ in range(int(layout.header)):
        record = next(splitter.split(content, start, line, dialect._replace(width=None)), None)
        if record is None:
            break
        record = _own_lines(content, record, layout, dialect)
        text = content[record.start : record.end]
        is_sound = is_sound and not record.problem and splitter.line_ends(text) == 1
        start, line = record.end, record.line + splitter.line_ends(text)
        skips.append(
            Skip(record.start, record.end, f"header={layout.header}", "header" if layout.names else "names")
        )
        heads.append(tuple(splitter.cells(text.rstrip(b"\r\n"), dialect)))
    names = tuple(layout.names) or (_joined(heads) if layout.header else None)
    end, below = _above_footer(content, start, layout.footer, dialect)
    if not isinstance(layout.footer, str):
        skips += [Skip(*span, f"footer={layout.footer}", "below") for span in below]
    counts += _counts(content, "footer", layout.footer, below)
    skipped = physical_lines(content, top, start) + physical_lines(content, end, len(content))
    return Body(start, end, line, names, tuple(filter(any, heads)), is_sound, skipped, tuple(skips), tuple(counts))


def _counts(
    content: bytes | FileText, option: str, pattern: int | str, spans: Sequence[tuple[int, int]]
) -> list[tuple[str, str, str]]:
    """Return what the lines at `spans` count, as named groups of a pattern; an empty count if none does."""
    groups = re.compile(pattern).groupindex if isinstance(pattern, str) else {}
    lines = (
        [content[begin:end].rstrip(b"\r\n").decode("utf-8", "replace") for begin, end in spans] if groups else []
    )
    found = [match for line in lines if (match := re.search(str(pattern), line))]
    return [
        (option, what, next((match[what] for match in found if match[what] is not None), ""))
        for what in COUNTED
        if what in groups
    ]


def text_start(content: bytes | FileText) -> int:
    """Return where the text begins, behind a byte order mark."""
    return len(codecs.BOM_UTF8) if content[:3] == codecs.BOM_UTF8 else 0


def physical_lines(content: bytes | FileText, start: int, end: int) -> int:
    """Return how many physical lines lie between two line starts; the last one may lack its end."""
    if start == end:
        return 0
    found, position = 0, start
    while position < end:
        part = content[position : min(end, position + _PART_BYTES)]
        if part.endswith(b"\r") and position + len(part) < end:
            part += content[position + len(part) : position + len(part) + 1]
        found, position = found + splitter.line_ends(part), position + len(part)
    return found + (not part.endswith((b"\r", b"\n")))


def _preamble(content: bytes | FileText, start: int, preamble: int | str) -> Iterator[tuple[int, int]]:
    """Yield where each line of the preamble is: so many, or the first ones as long as they match."""
    pattern = re.compile(preamble) if isinstance(preamble, str) and preamble else None
    found = 0
    while start < len(content) and (pattern or (isinstance(preamble, int) and found < preamble)):
        end = splitter.line_end(content, start)
        text = content[start:end].rstrip(b"\r\n")
        if pattern and text and not pattern.search(text.decode("utf-8", "replace")):
            return
        yield start, end
        start, found = end, found + 1


def _own_lines(content: bytes | FileText, record: Record, layout: Layout, dialect: Dialect) -> Record:
    """Return a header that is not read without the lines that it may have swallowed for a stray quote.

    It has if its width is not that of the names, or if what is below it is no record.
    """
    line_end = splitter.line_end(content, record.start)
    if line_end >= record.end or not layout.names:
        return record
    known = dialect._replace(
        width=len(splitter.cells(content[record.start : record.end].rstrip(b"\r\n"), dialect))
    )
    below = next(splitter.split(content, record.end, 0, known), None)
    if known.width in (len(layout.names), len(layout.names) + 1) and not (below and below.problem):
        return record
    return record._replace(end=line_end, problem="a stray quote")


def _joined(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the names of a header of one or more lines; the parts of a name are joined by a space."""
    width = max(map(len, rows), default=0)
    padded = [[*row, *[""] * (width - len(row))] for row in rows]
    return tuple(" ".join(filter(None, parts)) for parts in zip(*padded, strict=True))


def _above_footer(
    content: bytes | FileText, start: int, footer: int | str, dialect: Dialect
) -> tuple[int, list[tuple[int, int]]]:
    """Return the byte where the footer begins, and where its lines are, in order.

    Blank lines in and below it belong to it but do not count, nor do lines of nothing but delimiters.
    """
    end, found = len(content), 0
    pattern = re.compile(footer) if isinstance(footer, str) and footer else None
    position = _text_end(content, start, end)
    begin = max(start, splitter.line_start(content, position))
    if dialect.grammar == "copy" and content[begin:position] == escapes.END:
        end = begin
    position = end
    spans: list[tuple[int, int]] = []
    while pattern or (isinstance(footer, int) and found < footer):
        position = _text_end(content, start, position)
        begin = max(start, splitter.line_start(content, position))
        text = content[begin:position]
        if not text or (pattern and not pattern.search(text.decode("utf-8", "replace"))):
            break
        spans.append((begin, position))
        is_counted = pattern is None and bool(text.replace(dialect.delimiter, b"").strip())
        position = end = begin
        found += is_counted
    return end, spans[::-1]


def _text_end(content: bytes | FileText, start: int, end: int) -> int:
    """Return the byte behind the last one in content[start:end] that is of no line end."""
    while end > start:
        low = max(start, end - (1 << 16))
        if text := content[low:end].rstrip(b"\r\n"):
            return low + len(text)
        end = low
    return start
