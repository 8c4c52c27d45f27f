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
from etl.sources.formats.content import Content
from etl.sources.formats.scanner import Dialect, Record, Run, record_spans

_PROBLEM = "it may be several records: a quote in it, or on the line below it, is stray"
#: Of more broken lines in a row, the first ones tell.
_MOST = 100


def without_merged(
    content: bytes | Content, items: Iterable[Run | Record], dialect: Dialect
) -> Iterator[Run | Record]:
    """Yield the items, but as broken a record of several lines that might as well be that many records.

    It might if, with its first line taken for broken, no more of the lines up to the next sound record are
    broken than otherwise.
    """
    run: Run | None = None
    broken: list[Record] = []
    for item in items:
        last = broken[-1].end if broken else run.end if run else -1
        if isinstance(item, Record) and run and item.start == last and len(broken) < _MOST:
            broken.append(item)
            continue
        yield from _settled(content, run, broken, dialect)
        run, broken = (item, []) if isinstance(item, Run) else (None, [])
        if run is None:
            yield item
    yield from _settled(content, run, broken, dialect)


def _settled(
    content: bytes | Content, run: Run | None, broken: list[Record], dialect: Dialect
) -> Iterator[Run | Record]:
    if run is None:
        return
    start = _last_of_several_lines(content, run, dialect) if broken and dialect.quote else None
    if start is None or not _is_doubtful(content, start, broken, dialect):
        yield run
    else:
        data = content[run.start : start]
        line = run.line + splitter.line_ends(data)
        if run.records > 1:
            yield Run(run.start, start, run.line, run.records - 1)
        yield Record(line, start, run.end, _PROBLEM)
    yield from broken


def _last_of_several_lines(content: bytes | Content, run: Run, dialect: Dialect) -> int | None:
    """Return where the last record of a run starts if it has several lines."""
    # its last line closes a quote
    if dialect.quote not in content[splitter.line_start(content, run.end) : run.end]:
        return None
    starts, ends, _ = record_spans(content[run.start : run.end], dialect)
    start, end = run.start + int(starts[-1]), run.start + int(ends[-1])
    return start if end == run.end and splitter.line_end(content, start, end) < end else None


def _is_doubtful(content: bytes | Content, start: int, broken: list[Record], dialect: Dialect) -> bool:
    """Return whether no more lines are broken if the first line of a record is than if it is sound."""
    end = broken[-1].end
    first = splitter.line_end(content, start, end)
    others = splitter.split(content, first, 0, dialect, end)
    return 1 + sum(bool(record.problem) for record in others) <= len(broken)
