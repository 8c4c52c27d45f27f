"""The records of a block of delimited text, found with whole-array operations instead of a loop over lines.

Up to the first quote that no sound record has, everything is decided at once; where a physical line has to be
looked at alone, the answer says so and ends before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from etl.sources.formats import bits, splitter
from etl.sources.formats.limits import too_long
from etl.sources.formats.splitter import Dialect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etl.sources.formats.bits import Bits, Positions

# what a row is
SOUND, SKIPPED, WIDTH, LONG, NUL, NOT_UTF8 = range(6)

_LF, _CR = 10, 13


@dataclass(kw_only=True)
class Rows:
    """The records and the blank and comment lines of a block, which has been decided up to its byte `end`.

    `kinds` says of each row what it is, `cells` how many it has. `stuck` means that what begins at `end` has to
    be looked at alone. `lines` is the number of physical lines before each row, or None if each row is one.
    """

    starts: Positions
    ends: Positions
    kinds: NDArray[np.int8]
    cells: Positions
    lines: Positions | None
    physical_lines: int
    end: int
    stuck: bool
    newlines: set[bytes]
    has_quotes: bool
    has_quoted_newlines: bool

    def problem(self, row: int, dialect: Dialect) -> str:
        """Return what is wrong with a broken row."""
        kind = int(self.kinds[row])
        if kind == WIDTH:
            return splitter.wrong_width(int(self.cells[row]), dialect.width)
        found = {NUL: splitter.NUL, NOT_UTF8: splitter.NOT_UTF8}.get(kind)
        return found or too_long(dialect.most_bytes)


class _Marks(NamedTuple):
    """Where a block has what; without quotes and escapes `within` and `quotes` are None."""

    #: first and last bytes of the delimiters
    delimiters: Bits
    delimited: Bits
    #: all bytes of line ends, and only the last ones
    returns_and_feeds: Bits
    line_ends: Bits
    quotes: Bits | None
    within: Bits | None
    #: the first position at which a quote is stray
    stray: int


def find_rows(data: bytes, final: bool, dialect: Dialect) -> Rows:
    """Find the rows of `data`, which starts where a record does and, if `final`, ends where the file ends.

    Otherwise it must not end between the two bytes of a line end; what is behind its last one is left out.
    """
    view = np.frombuffer(data, np.uint8)
    marks = _marks(data, view, dialect, final)
    ends, stuck = _ends(marks, len(data), final)
    starts = _starts(ends)
    inner = None if marks.within is None else bits.counts(marks.line_ends & marks.within, ends)
    cells = bits.counts(_outside(marks.delimiters, marks), ends) + 1
    kinds = _shapes(view, starts, ends, cells, dialect)
    # of a broken row of many lines only the first one may be broken; and the quotes of comment quote nothing
    alone = [] if inner is None else np.flatnonzero((inner > 0) & (kinds != SOUND)).tolist()
    if alone:
        count, stuck = alone[0], True
        starts, ends, cells, kinds = starts[:count], ends[:count], cells[:count], kinds[:count]
    end = int(ends[-1]) if len(ends) else 0
    _mark_bad_texts(data, view, starts, ends, kinds)
    lines, physical = _lines(ends, inner)
    return Rows(
        starts=starts,
        ends=ends,
        kinds=kinds,
        cells=cells,
        lines=lines,
        physical_lines=physical,
        end=end,
        stuck=stuck,
        newlines=_newlines(view, starts, ends, b"\r" in data),
        has_quotes=marks.quotes is not None and bits.first(marks.quotes, end) < end,
        has_quoted_newlines=physical > len(ends),
    )


def _marks(data: bytes, view: NDArray[np.uint8], dialect: Dialect, final: bool) -> _Marks:
    line_ends = both = bits.pack(view == _LF)
    if b"\r" in data:
        returns = bits.pack(view == _CR)
        both = line_ends | returns
        line_ends = line_ends | (returns & ~bits.before(line_ends))
    delimiters = delimited = bits.pack(_delimiters(data, view, dialect.delimiter))
    for _ in dialect.delimiter[1:]:
        delimited = bits.behind(delimited)
    if dialect.grammar and dialect.escape in data:
        within = _taken(data, view, dialect.escape, final)
        return _Marks(delimiters, delimited, both, line_ends, None, within, len(data))
    if not dialect.quote or dialect.quote not in data:
        return _Marks(delimiters, delimited, both, line_ends, None, None, len(data))
    quotes = bits.pack(view == dialect.quote[0])
    escaped = _escaped(data, view, dialect.escape)
    live = quotes if escaped is None else quotes & ~escaped
    within = bits.between(live)
    stray = _stray(live, within, delimited | both, delimiters | both, len(data))
    if escaped is not None:
        stray |= quotes & escaped & ~within
    return _Marks(delimiters, delimited, both, line_ends, quotes, within, bits.first(stray, len(data)))


def _delimiters(data: bytes, view: NDArray[np.uint8], delimiter: bytes) -> NDArray[np.bool_]:
    found: NDArray[np.bool_]
    if len(delimiter) == 1:
        found = view == delimiter[0]
        return found
    # replace() goes from left to right without overlaps, as records are read; only first bytes are changed
    other = bytes([delimiter[0] ^ 1]) + delimiter[1:]
    found = view != np.frombuffer(data.replace(delimiter, other), np.uint8)
    return found


def _escaped(data: bytes, view: NDArray[np.uint8], escape: bytes) -> Bits | None:
    """Return the positions behind an escape that is not itself escaped, as if all were within quotes."""
    if not escape or escape not in data:
        return None
    found = np.flatnonzero(view == escape[0])
    is_first = np.diff(found, prepend=-2) != 1
    run = np.maximum.accumulate(np.where(is_first, found, 0))
    mask = np.zeros(len(data) + 1, bool)
    mask[found[(found - run) % 2 == 0] + 1] = True
    return bits.pack(mask[:-1])


def _taken(data: bytes, view: NDArray[np.uint8], escape: bytes, final: bool) -> Bits | None:
    """Return the positions that an escape takes with it, a line end of two bytes as a whole.

    The last line end ends the text, whatever is before it.
    """
    taken = _escaped(data, view, escape)
    if taken is None:
        return None
    if b"\r" in data:
        taken |= bits.behind(taken & bits.pack(view == _CR)) & bits.pack(view == _LF)
    if final and (ended := (data[-1:] in (b"\r", b"\n")) + data.endswith(b"\r\n")):
        last = np.ones(len(data), bool)
        last[-ended:] = False
        taken &= bits.pack(last)
    return taken


def _stray(live: Bits, within: Bits, ahead: Bits, after: Bits, size: int) -> Bits:
    """Return opening quotes that no delimiter or line end precedes, and closing ones that none follows."""
    opening, closing = live & within, live & ~within
    may_open, may_close = bits.behind(ahead), bits.before(after)
    # a doubled quote is one that closes and one that opens
    may_open |= bits.behind(closing)
    may_close |= bits.before(opening)
    bits.add(may_open, 0)
    bits.add(may_close, size - 1)
    return (opening & ~may_open) | (closing & ~may_close)


def _outside(found: Bits, marks: _Marks) -> Bits:
    return found if marks.within is None else found & ~marks.within


def _ends(marks: _Marks, size: int, final: bool) -> tuple[Positions, bool]:
    """Return where the rows end that are whole, before the first stray quote, and whether there is one."""
    ends = bits.positions(_outside(marks.line_ends, marks), size) + 1
    if marks.stray < size:
        return ends[: np.searchsorted(ends, marks.stray, side="right")], True
    if not final or (len(ends) and ends[-1] == size):
        return ends, False
    if marks.quotes is not None and marks.within is not None and bits.has(marks.within, size):
        return ends, True
    return np.append(ends, size), False


def _starts(ends: Positions) -> Positions:
    starts = np.empty_like(ends)
    starts[:1] = 0
    starts[1:] = ends[:-1]
    return starts


def _shapes(
    view: NDArray[np.uint8], starts: Positions, ends: Positions, cells: Positions, dialect: Dialect
) -> NDArray[np.int8]:
    """Return what each row is by its shape, its text not looked at."""
    kinds = np.zeros(len(ends), np.int8)
    if dialect.width is not None:
        kinds[cells != dialect.width] = WIDTH
    if len(view) > dialect.most_bytes:
        kinds[_longer(view, starts, ends, dialect.most_bytes)] = LONG
    first = view[starts]
    kinds[(first == _LF) | (first == _CR)] = SKIPPED
    if dialect.comment:
        is_comment = ends - starts >= len(dialect.comment)
        for offset, byte in enumerate(dialect.comment):
            is_comment &= view.take(starts + offset, mode="clip") == byte
        kinds[is_comment] = SKIPPED
    return kinds


def _longer(view: NDArray[np.uint8], starts: Positions, ends: Positions, most: int) -> NDArray[np.bool_]:
    is_feed = view[ends - 1] == _LF
    line_end = (is_feed | (view[ends - 1] == _CR)).astype(np.int64)
    line_end += is_feed & (ends - starts > 1) & (view[ends - 2] == _CR)
    longer: NDArray[np.bool_] = ends - starts - line_end > most
    return longer


def _mark_bad_texts(
    data: bytes, view: NDArray[np.uint8], starts: Positions, ends: Positions, kinds: NDArray[np.int8]
) -> None:
    if b"\0" in data:
        kinds[(bits.counts(bits.pack(view == 0), ends) > 0) & (kinds == SOUND)] = NUL
    if data.isascii() or not len(ends) or _decodes(memoryview(data)[: ends[-1]]):
        return
    foreign = bits.counts(bits.pack(view >= 128), ends) > 0
    rows = np.flatnonzero(foreign & (kinds == SOUND))
    for row, start, stop in zip(rows.tolist(), starts[rows].tolist(), ends[rows].tolist(), strict=True):
        if not _decodes(data[start:stop]):
            kinds[row] = NOT_UTF8


def _decodes(data: bytes | memoryview) -> bool:
    try:
        str(data, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _lines(ends: Positions, inner: Positions | None) -> tuple[Positions | None, int]:
    """Return the physical lines before each row, None if each row is one, and those of all rows."""
    if inner is None or not inner[: len(ends)].any():
        return None, len(ends)
    lines = np.cumsum(inner[: len(ends)] + 1)
    return _starts(lines), int(lines[-1])


def _newlines(view: NDArray[np.uint8], starts: Positions, ends: Positions, has_returns: bool) -> set[bytes]:
    if not len(ends):
        return set()
    # only the last row may lack a line end
    if not has_returns:
        return {b"\n"} if len(ends) > 1 or view[ends[0] - 1] == _LF else set()
    last, ahead = view[ends - 1], view[ends - 2]
    is_pair = (last == _LF) & (ahead == _CR) & (ends - starts > 1)
    found = {b"\r\n": is_pair.any(), b"\n": ((last == _LF) & ~is_pair).any(), b"\r": (last == _CR).any()}
    return {newline for newline, is_there in found.items() if is_there}
