"""Records that may have swallowed others: a stray quote can open a cell that a later, sound one closes.

    1,a,"b          the stray quote
    2,c,d
    3,e,"           the quote that opens a cell which starts with a line end
    more"

The first three lines are a record by every rule; only the fourth line, which is none, gives it away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from etl.sources.formats import splitter
from etl.sources.formats.file_text import FileText
from etl.sources.formats.scanner import Dialect, Record, Stretch, record_spans

_PROBLEM = "it may be several records: a quote in it, or on the line below it, is stray"
#: Of more broken lines in a row, the first ones tell.
_MOST = 100


def without_merged(
    content: bytes | FileText, items: Iterable[Stretch | Record], dialect: Dialect
) -> Iterator[Stretch | Record]:
    """Yield the items, but as broken a record of several lines that might as well be that many records.

    It might if, with its first line taken for broken, no more of the lines up to the next sound record are
    broken than otherwise.
    """
    stretch: Stretch | None = None
    broken: list[Record] = []
    for item in items:
        last = broken[-1].end if broken else stretch.end if stretch else -1
        if isinstance(item, Record) and stretch and item.start == last and len(broken) < _MOST:
            broken.append(item)
            continue
        yield from _settled(content, stretch, broken, dialect)
        stretch, broken = (item, []) if isinstance(item, Stretch) else (None, [])
        if stretch is None:
            yield item
    yield from _settled(content, stretch, broken, dialect)


def _settled(
    content: bytes | FileText, stretch: Stretch | None, broken: list[Record], dialect: Dialect
) -> Iterator[Stretch | Record]:
    if stretch is None:
        return
    start = _last_of_several_lines(content, stretch, dialect) if broken and dialect.quote else None
    if start is None or not _is_doubtful(content, start, broken, dialect):
        yield stretch
    else:
        data = content[stretch.start : start]
        line = stretch.line + splitter.line_ends(data)
        if stretch.records > 1:
            yield Stretch(stretch.start, start, stretch.line, stretch.records - 1)
        yield Record(line, start, stretch.end, _PROBLEM)
    yield from broken


def _last_of_several_lines(content: bytes | FileText, stretch: Stretch, dialect: Dialect) -> int | None:
    """Return where the last record of a stretch starts if it has several lines."""
    # its last line closes a quote
    if dialect.quote not in content[splitter.line_start(content, stretch.end) : stretch.end]:
        return None
    starts, ends, _ = record_spans(content[stretch.start : stretch.end], dialect)
    start, end = stretch.start + int(starts[-1]), stretch.start + int(ends[-1])
    return start if end == stretch.end and splitter.line_end(content, start, end) < end else None


def _is_doubtful(content: bytes | FileText, start: int, broken: list[Record], dialect: Dialect) -> bool:
    """Return whether no more lines are broken if the first line of a record is than if it is sound."""
    end = broken[-1].end
    first = splitter.line_end(content, start, end)
    others = splitter.split(content, first, 0, dialect, end)
    return 1 + sum(bool(record.problem) for record in others) <= len(broken)
