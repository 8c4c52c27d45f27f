"""Where the table of a delimited file ends: a header that comes again begins another, which is not this one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from etl.sources.formats import escapes, rewriting, splitter
from etl.sources.formats.file_text import FileText
from etl.sources.formats.head import Body
from etl.sources.formats.merged import without_merged
from etl.sources.formats.scanner import Dialect, Record, Stretch, Traits, record_spans, scan

BEHIND = "there is text behind the last delimiter"


def first_table(
    content: bytes | FileText,
    body: Body,
    columns: Sequence[str],
    dialect: Dialect,
    trailing: bool,
    traits: Traits,
) -> Iterator[Stretch | Record]:
    """Yield the records of the first table, and as broken ones everything from a second table's header on."""
    found = scan(content, body.start, body.end, body.line, dialect, traits)
    headers = (
        [[name for name in header if name] for header in {tuple(columns), *body.headers}] if body.headers else []
    )
    found = _trailing(content, without_merged(content, found, dialect), dialect, trailing)
    for item in _decodable(content, found, dialect):
        second = second_header(content, item, body, headers, dialect)
        if second is None:
            yield item
            continue
        if isinstance(item, Stretch) and second.start > item.start:
            yield from scan(content, item.start, second.start, item.line, dialect, traits)
        problem = f"a second table begins on line {second.line}"
        wide = dialect._replace(width=None)
        _recount(content, body, second.start, dialect, traits)
        for step in splitter.steps(content, second.start, second.line, wide, body.end):
            traits.rows += 1
            traits.skipped += step.skipped
            if not step.skipped:
                yield step.record._replace(problem=problem)
        return


def _recount(content: bytes | FileText, body: Body, end: int, dialect: Dialect, traits: Traits) -> None:
    """Count the lines up to `end` alone: the scan may have gone on beyond it."""
    counted = Traits()
    for _ in scan(content, body.start, end, body.line, dialect, counted):
        pass
    traits.rows, traits.skipped = counted.rows, counted.skipped


def may_repeat(data: bytes, header: Sequence[str], dialect: Dialect) -> bool:
    """Return whether a text has a cell that is the longest name of a header; if not, the header is not in it."""
    name = telling(header, dialect)
    if not name:
        return True
    if name not in data:
        return False
    quote, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
    ahead = b"|".join(filter(None, [rb"\A|\r|\n", quote, delimiter]))
    behind = b"|".join(filter(None, [rb"\Z|\r|\n", quote, delimiter]))
    return re.search(b"(?:%b)%b(?:%b)" % (ahead, re.escape(name), behind), data) is not None


def telling(header: Sequence[str], dialect: Dialect) -> bytes:
    """Return the longest name that is written in one way only, whether quoted or not."""
    marks = [mark for mark in (dialect.quote, dialect.escape) if mark]
    names = [name.encode() for name in header]
    return max((name for name in names if not any(mark in name for mark in marks)), key=len, default=b"")


def second_header(
    content: bytes | FileText, item: Stretch | Record, body: Body, headers: Sequence[list[str]], dialect: Dialect
) -> Record | None:
    """Return the record with which another table begins, if there is one in `item`; `headers` are the names."""
    if isinstance(item, Stretch):
        data = content[item.start : item.end]
        known = [sorted(header) for header in body.headers if may_repeat(data, header, dialect)]
        return _repeated(data, item, known, dialect) if known else None
    for header in headers:
        # more columns than ten times as many are no table of this kind
        data = content[item.start : min(item.end, item.start + 10 * len("".join(header)) + 10_000)]
        if _share(data, header) and item.end - item.start == len(data):
            cells = splitter.cells(data.rstrip(b"\r\n"), dialect)
            if len(found := [name for name in cells if name in header]) > 1 and 2 * len(found) >= len(header):
                return item
    return None


def _share(data: bytes, header: Sequence[str]) -> bool:
    """Return whether half of the names are in a text at all; names with marks may be written otherwise there."""
    return 2 * sum(not name.isalnum() or name.encode() in data for name in header) >= len(header)


def _repeated(data: bytes, stretch: Stretch, headers: Sequence[list[str]], dialect: Dialect) -> Record | None:
    """Return the first record that is a header, be it quoted otherwise or in another order."""
    starts, ends, lines = record_spans(data, dialect)
    most = 2 * max(len("".join(header).encode()) + 4 * len(header) * len(dialect.delimiter) for header in headers)
    for start, end, line in zip(starts.tolist(), ends.tolist(), lines.tolist(), strict=True):
        if end - start > most:
            continue
        cells = sorted(splitter.cells(data[start:end].rstrip(b"\r\n"), dialect))
        if cells in headers:
            return Record(stretch.line + line, stretch.start + start, stretch.start + end, "")
    return None


def _trailing(
    content: bytes | FileText, items: Iterator[Stretch | Record], dialect: Dialect, trailing: bool
) -> Iterator[Stretch | Record]:
    """Take the records out of stretches that do not end in a delimiter, if all must."""
    for item in items:
        if not trailing or isinstance(item, Record):
            yield item
        else:
            yield from _without_trailing(content[item.start : item.end], item, dialect)


def _decodable(
    content: bytes | FileText, items: Iterator[Stretch | Record], dialect: Dialect
) -> Iterator[Stretch | Record]:
    """Take the records out of stretches whose escapes stand for what is no text."""
    for item in items:
        if not dialect.grammar or isinstance(item, Record):
            yield item
            continue
        data = content[item.start : item.end]
        if escapes.may_break(data):
            yield from _without(data, item, dialect, lambda text: rewriting.problem(text, dialect))
        else:
            yield item


def _without_trailing(data: bytes, stretch: Stretch, dialect: Dialect) -> Iterator[Stretch | Record]:
    if len(dialect.delimiter) == 1 and not dialect.comment and not (dialect.quote and dialect.quote in data):
        mark = dialect.delimiter
        ended = _pairs(data, mark[0]) + data.endswith(mark)
        if ended == stretch.records or ended + data.count(mark + b"\r") == stretch.records:
            yield stretch
            return
    yield from _without(data, stretch, dialect, lambda text: "" if _has_nothing_behind(text, dialect) else BEHIND)


def _pairs(data: bytes, mark: int) -> int:
    """Return how often a line feed follows a mark; three times as fast as counting both as one text."""
    import numpy as np

    view = np.frombuffer(data, np.uint8)
    return int(np.count_nonzero((view[:-1] == mark) & (view[1:] == ord("\n"))))


def _without(
    data: bytes, stretch: Stretch, dialect: Dialect, problem: Callable[[bytes], str]
) -> Iterator[Stretch | Record]:
    """Yield the records of a stretch that have no problem, as stretches, and each one that has."""
    starts, ends, lines = (column.tolist() for column in record_spans(data, dialect))
    first, last_end, first_line, records = 0, 0, 0, 0
    for start, end, line in zip(starts, ends, lines, strict=True):
        wrong = problem(data[start:end])
        if not wrong:
            if not records:
                first, first_line = start, line
            last_end, records = end, records + 1
            continue
        if records:
            yield Stretch(stretch.start + first, stretch.start + last_end, stretch.line + first_line, records)
            records = 0
        yield Record(stretch.line + line, stretch.start + start, stretch.start + end, wrong)
    if records:
        yield Stretch(stretch.start + first, stretch.start + last_end, stretch.line + first_line, records)


def _has_nothing_behind(text: bytes, dialect: Dialect) -> bool:
    text = text.rstrip(b"\r\n")
    if not text.endswith(dialect.delimiter):
        return False
    # the end of `a|||` is no delimiter `||` but the cell `|`
    return len(dialect.delimiter) == 1 or splitter.cells(text, dialect)[-1] == ""
