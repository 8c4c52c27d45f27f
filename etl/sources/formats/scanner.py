"""The records of delimited text at the speed of memory: which stretches are sound, and each broken record.

What a record is, and what is wrong with one, is the splitter's word; here it is kept for whole files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from etl.sources.formats import splitter
from etl.sources.formats.file_text import FileText
from etl.sources.formats.splitter import Dialect, Record

if TYPE_CHECKING:
    from etl.sources.formats.bits import Positions
    from etl.sources.formats.window import Rows

__all__ = ["Dialect", "Record", "Stretch", "Traits", "line_spans", "normalized", "record_spans", "scan"]

#: As much as stays in the processor's cache with what is made of it.
_BLOCK_BYTES = 1 << 19
_STRETCH_BYTES = 1 << 21
#: Blocks start so small again behind a broken record: all that is behind the next one is looked at twice.
_WARY_BYTES = 1 << 16
#: Broken records closer than this are taken one by one, up to so many: a block for each would cost more.
_NEAR_BYTES = 1 << 14
_MOST_ALONE = 256


class Stretch(NamedTuple):
    """A stretch of nothing but sound records, blank lines and comment; `line` is the physical one of its start."""

    start: int
    end: int
    line: int
    records: int


@dataclass
class Traits:
    """What was seen in a scanned text, broken records included; it says if DuckDB may read the file as it is."""

    #: Line ends of records, of blank lines and of comment.
    newlines: set[bytes] = field(default_factory=set)
    #: Blank lines or comment.
    has_gaps: bool = False
    has_quotes: bool = False
    #: Line ends within a quoted cell of a record that is not broken for its shape.
    has_quoted_newlines: bool = False
    _: KW_ONLY
    #: Records, blank lines and lines of comment; and only the last two.
    rows: int = 0
    skipped: int = 0


class _Found(NamedTuple):
    """What one step of the walk found: rows of a block at `start`, or a single one taken by the splitter."""

    start: int
    line: int
    rows: Rows | splitter.Step


def scan(
    content: bytes | FileText, start: int, end: int, line: int, dialect: Dialect, traits: Traits | None = None
) -> Iterator[Stretch | Record]:
    """Yield what content[start:end] holds, in order: stretches of sound records, and each broken record.

    `line` is the physical line of `start`, where a record begins. `traits` is filled on the way. Stretches are
    some 2 MiB where all is well; blank lines and comment between them may be in none. A few MiB are in memory at a
    time.
    """
    traits = Traits() if traits is None else traits
    waiting: Stretch | None = None
    for found in _walk(content, start, end, line, dialect):
        _add_traits(traits, content, found, dialect)
        for item in _items(found, dialect):
            if waiting and isinstance(item, Stretch) and _is_continued(waiting, item):
                waiting = Stretch(waiting.start, item.end, waiting.line, waiting.records + item.records)
                continue
            if waiting and waiting.records:
                yield waiting
            waiting = item if isinstance(item, Stretch) else None
            if isinstance(item, Record):
                yield item
    if waiting and waiting.records:
        yield waiting


def record_spans(data: bytes, dialect: Dialect) -> tuple[Positions, Positions, Positions]:
    """Return start, end and physical line, from 0, of a stretch's sound records; ends are behind line ends."""
    import numpy as np

    from etl.sources.formats.window import SOUND

    parts = []
    for start, line, rows in _walk(data, 0, len(data), 0, dialect):
        if not isinstance(rows, splitter.Step):
            sound = rows.kinds == SOUND
            lines = np.arange(len(sound)) if rows.lines is None else rows.lines
            parts.append((rows.starts[sound] + start, rows.ends[sound] + start, lines[sound] + line))
        elif not (rows.skipped or rows.record.problem):
            parts.append((np.array([rows.record.start]), np.array([rows.record.end]), np.array([line])))
    if not parts:
        return (np.empty(0, np.int64),) * 3
    starts, ends, lines = (np.concatenate(column) for column in zip(*parts, strict=True))
    return starts, ends, lines


def line_spans(data: bytes) -> tuple[Positions, Positions, Positions]:
    """Return record_spans() of a stretch in which each line, ended by a line feed, is a record."""
    import numpy as np

    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
    if not len(ends) or ends[-1] < len(data):
        ends = np.append(ends, len(data))
    return np.concatenate([[0], ends[:-1]]), ends, np.arange(len(ends))


def normalized(data: bytes, dialect: Dialect) -> bytes:
    """Return the records of a stretch, each ended by a line feed, without blank lines and comment.

    Line ends within quoted cells stay as they are. `data` itself is returned if that is it already.
    """
    if _is_normal(data, dialect):
        return data
    if not (dialect.grammar and dialect.escape in data) and not (dialect.quote and dialect.quote in data):
        # without quotes and escapes every line end is one of a record
        feeds = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        feeds = feeds if feeds.endswith(b"\n") else feeds + b"\n"
        if _is_normal(feeds, dialect):
            return feeds
    import numpy as np

    starts, ends, _ = record_spans(data, dialect)
    if not len(starts):
        return b""
    text = np.frombuffer(data + b"\n", np.uint8).copy()
    # +1 at the start of a record, -1 behind it: between them the sum is 1
    steps = np.zeros(len(text) + 1, np.int8)
    steps[starts] += 1
    steps[ends] -= 1
    kept = np.cumsum(steps[:-1], dtype=np.int8).view(bool)
    last = text[ends - 1]
    is_pair = (last == 10) & (text[ends - 2] == 13) & (ends - starts > 1)
    kept[ends[is_pair] - 2] = False
    text[ends[last == 13] - 1] = 10
    # only the last record of a file may lack a line end
    kept[-1] = last[-1] not in (10, 13)
    changed = text[kept].tobytes()
    return data if changed == data else changed


def _is_normal(data: bytes, dialect: Dialect) -> bool:
    if b"\r" in data or data.startswith(b"\n") or b"\n\n" in data or not data.endswith(b"\n"):
        return False
    comment = dialect.comment
    return not comment or not (data.startswith(comment) or b"\n" + comment in data)


def _walk(content: bytes | FileText, start: int, end: int, line: int, dialect: Dialect) -> Iterator[_Found]:
    """Yield the rows of block after block; where a block is stuck, the splitter takes what is there.

    A block that ends before its first record does is followed by one of twice its size.
    """
    from etl.sources.formats import window

    size, taken_alone, alone_until = _BLOCK_BYTES, 1, start
    while start < end:
        stop = _block_end(content, start + size, end)
        rows = window.find_rows(content[start:stop], stop == end, dialect)
        if rows.end:
            yield _Found(start, line, rows)
        start, line = start + rows.end, line + rows.physical_lines
        if rows.stuck or not (rows.end or size <= dialect.most_bytes + 2):
            taken_alone = min(2 * taken_alone, _MOST_ALONE) if start - alone_until < _NEAR_BYTES else 1
            size = _WARY_BYTES
            for _ in range(taken_alone):
                if start < end:
                    step = splitter.step(content, start, end, line, dialect)
                    yield _Found(start, line, step)
                    start, line = step.record.end, line + step.lines
            alone_until = start
        else:
            size = min(2 * size, _BLOCK_BYTES) if rows.end else 2 * size


def _block_end(content: bytes | FileText, stop: int, end: int) -> int:
    if stop >= end:
        return end
    return stop + (content[stop - 1 : stop + 1] == b"\r\n")


def _items(found: _Found, dialect: Dialect) -> Iterator[Stretch | Record]:
    """Yield the stretches and broken records of one step; a stretch without records joins its neighbours."""
    start, line, rows = found
    if isinstance(rows, splitter.Step):
        record = rows.record
        yield record if record.problem else Stretch(start, record.end, line, int(not rows.skipped))
        return
    if not rows.kinds.any():
        yield Stretch(start, start + rows.end, line, len(rows.kinds))
        return
    import numpy as np

    from etl.sources.formats.window import SKIPPED, SOUND

    before = np.zeros(len(rows.kinds) + 1, np.int64)
    np.cumsum(rows.kinds == SOUND, out=before[1:])
    broken = np.flatnonzero((rows.kinds != SOUND) & (rows.kinds != SKIPPED))
    lines = np.arange(len(rows.kinds)) if rows.lines is None else rows.lines
    begin = begin_line = counted = 0
    columns = (broken, rows.starts[broken], rows.ends[broken], lines[broken], before[broken])
    for row, row_start, row_end, row_line, sound in zip(*(column.tolist() for column in columns), strict=True):
        if row_start > begin:
            yield Stretch(start + begin, start + row_start, line + begin_line, sound - counted)
        yield Record(line + row_line, start + row_start, start + row_end, rows.problem(row, dialect))
        begin, counted = row_end, sound
        begin_line = int(lines[row + 1]) if row + 1 < len(lines) else rows.physical_lines
    if begin < rows.end:
        yield Stretch(start + begin, start + rows.end, line + begin_line, int(before[-1]) - counted)


def _is_continued(stretch: Stretch, following: Stretch) -> bool:
    return stretch.end == following.start and following.end - stretch.start <= _STRETCH_BYTES


def _add_traits(traits: Traits, content: bytes | FileText, found: _Found, dialect: Dialect) -> None:
    rows = found.rows
    if isinstance(rows, splitter.Step):
        _, start, end, _ = rows.record
        tail = content[max(start, end - 2) : end]
        newline = tail if tail == b"\r\n" else tail[-1:]
        traits.newlines |= {newline} & {b"\n", b"\r\n", b"\r"}
        traits.has_gaps |= rows.skipped
        traits.rows += 1
        traits.skipped += rows.skipped
        traits.has_quotes |= bool(dialect.quote) and dialect.quote in content[start:end]
        traits.has_quoted_newlines |= rows.lines > 1
        return
    from etl.sources.formats.window import SKIPPED

    traits.newlines |= rows.newlines
    skipped = int((rows.kinds == SKIPPED).sum()) if rows.kinds.any() else 0
    traits.rows += len(rows.kinds)
    traits.skipped += skipped
    traits.has_gaps |= skipped > 0
    traits.has_quotes |= rows.has_quotes
    traits.has_quoted_newlines |= rows.has_quoted_newlines
