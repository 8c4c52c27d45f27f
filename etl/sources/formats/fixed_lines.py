"""The lines of a fixed-width file: what each of them is, told of many at once where their bytes are plain."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from etl.errors import UnreadableError
from etl.sources.formats import plain
from etl.sources.formats.blocks import block_bytes
from etl.sources.formats.file_text import FileText
from etl.sources.formats.format import Reader
from etl.sources.formats.limits import too_long
from etl.sources.formats.staged import StagedRecord, skipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Positions = NDArray[np.int64]
    Flags = NDArray[np.bool_]

#: As much as stays in the processor's cache.
_PART_BYTES = 1 << 19
_FEED = ord("\n")


Span = tuple[int, int]


class Shape(Protocol):
    """What is to be known of a fixed-width format."""

    @property
    def columns(self) -> Mapping[str, Span]: ...
    @property
    def lengths(self) -> tuple[int, ...]: ...
    @property
    def shortest(self) -> int: ...
    @property
    def strip(self) -> bool: ...
    @property
    def nulls(self) -> tuple[str, ...]: ...
    @property
    def header_lines(self) -> int | str: ...
    @property
    def record_type(self) -> Span | None: ...
    @property
    def record(self) -> str: ...
    @property
    def ignored(self) -> Sequence[str]: ...
    @property
    def trailer(self) -> tuple[str, Span] | None: ...
    @property
    def max_record_bytes(self) -> int: ...

    def is_head(self, number: int, content: bytes) -> bool:
        """Tell whether a line is one of those to skip, if all above it are."""

    def type_of(self, line: str) -> str:
        """Return the record type of a line."""

    def problem(self, line: str) -> str:
        """Return what is wrong with a line that is to be a record; empty if nothing."""

    def check_trailer(self, path: Path, number: int, line: str, records: int) -> None:
        """Raise UnreadableError if a trailer counts other records than there are."""

    def reader(self) -> Reader:
        """Return what cuts the cells out of staged lines."""


class Unalike(Exception):
    """The lines of a file do not end alike, or may be too long: they are told one by one."""


class Lines:
    """Tells what the lines of one file are, which come in their order."""

    def __init__(self, fmt: Shape, path: Path, encoding: str) -> None:
        self._format, self._path, self._encoding = fmt, path, encoding
        #: Whether all lines so far are at the top, and the records and the trailer so far.
        self.is_head, self.records, self.trailer = True, 0, ""

    def record(self, number: int, content: bytes, is_whole: bool = True) -> StagedRecord:
        """Return a line as a record, sound or broken, or as one that is skipped."""
        fmt, encoding = self._format, self._encoding
        self.is_head = self.is_head and fmt.is_head(number, content)
        if self.is_head or not content:
            option = "" if isinstance(fmt.header_lines, str) else f"header_lines={fmt.header_lines}"
            shown, raw = plain.shown(plain.original(content, encoding), encoding)
            return skipped(number, shown, option if self.is_head else "", "above", raw)
        try:
            line = content.decode()
        except UnicodeDecodeError:
            shown, raw = plain.shown(plain.original(content, encoding), encoding)
            self.records += fmt.type_of(shown) == fmt.record
            return StagedRecord(number, shown, problem=f"it is not text in {encoding}", raw=raw)
        kind = fmt.type_of(line)
        self.records += kind == fmt.record
        if self.trailer:
            return StagedRecord(number, line, problem="it stands after the trailer")
        if fmt.trailer and kind == fmt.trailer[0]:
            self.trailer = line
            fmt.check_trailer(self._path, number, line, self.records)
            return skipped(number, line)
        if fmt.record_type and kind in fmt.ignored:
            return skipped(number, line)
        problem = fmt.problem(line) if is_whole else too_long(fmt.max_record_bytes)
        return StagedRecord(number, line, problem=problem)

    def finish(self) -> None:
        """Raise UnreadableError if the trailer is missing."""
        if self._format.trailer and not self.trailer:
            raise UnreadableError(
                f"{self._path} ends without its trailer {self._format.trailer[0]!r}; it was cut off. "
                "Ask for it again."
            )


def each(lines: Lines, text: Path, most: int) -> Iterator[StagedRecord]:
    """Yield all lines of a text one by one."""
    for number, content, is_whole in plain.lines(text, "\r", most):
        yield lines.record(number, content, is_whole)
    lines.finish()


class Part(NamedTuple):
    """Some lines of a file, each of which ends in a line feed; `line` is the number of the first one."""

    line: int
    data: bytes
    #: Where each line ends.
    ends: Positions
    #: Which lines are sound records, and the others.
    is_sound: Flags
    others: list[StagedRecord]

    @property
    def starts(self) -> Positions:
        """Where each line begins."""
        import numpy as np

        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1] + 1])

    @property
    def sound(self) -> int:
        """The number of its sound records."""
        return len(self.ends) - len(self.others)

    @property
    def records(self) -> bytes:
        """The lines that are sound records."""
        import numpy as np

        if not self.others:
            return self.data
        view = np.frombuffer(self.data, np.uint8)
        return view[np.repeat(self.is_sound, np.diff(self.ends, prepend=-1))].tobytes()


def parts(fmt: Shape, lines: Lines, text: Path) -> Iterator[Part]:
    """Yield all lines of a text, many at once; Unalike if they cannot be told so."""
    number, teller = 1, _Teller(fmt, lines)
    for data in _pieces(text, min(_PART_BYTES, block_bytes(len(fmt.columns))), fmt.max_record_bytes):
        part = teller.part(number, data)
        number += len(part.ends)
        yield part
    lines.finish()


class _Teller:
    """Tells lines of plain bytes by their lengths and their type."""

    def __init__(self, fmt: Shape, lines: Lines) -> None:
        import numpy as np

        self._format, self._lines = fmt, lines
        self._is_length = np.zeros(fmt.lengths[-1] + 1, bool)
        self._is_length[fmt.shortest :] = True
        self._is_length[list(fmt.lengths)] = True
        # empty lines are no records
        self._is_length[0] = False

    def part(self, number: int, data: bytes) -> Part:
        """Return lines, of which `number` is the first, as what they are."""
        import numpy as np

        view = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(view == _FEED)
        lengths = np.diff(ends, prepend=-1) - 1
        if int(lengths.max()) + 2 > self._format.max_record_bytes:
            raise Unalike
        is_plain = self._is_plain(data, view, ends, lengths)
        return self._told(Part(number, data, ends, is_plain, []), is_plain.copy())

    def _is_plain(self, data: bytes, view: NDArray[np.uint8], ends: Positions, lengths: Positions) -> Flags:
        """Return which lines are sound records, wherever in the file they stand but at its top or end."""
        import numpy as np

        longest = len(self._is_length) - 1
        is_plain = self._is_length[np.minimum(lengths, longest)] & (lengths <= longest)
        if b"\0" in data or not data.isascii():
            is_plain[np.searchsorted(ends, np.flatnonzero((view == 0) | (view > 127)))] = False
        if self._format.record_type:
            start, end = self._format.record_type
            is_plain &= (lengths >= end) & self._format.record.isascii()
            firsts = (ends - lengths)[is_plain] + start - 1
            is_type = np.ones(len(firsts), bool)
            for at, letter in enumerate(self._format.record.encode()):
                is_type &= view[firsts + at] == letter
            is_plain[is_plain] = is_type
        return is_plain

    def _told(self, part: Part, is_plain: Flags) -> Part:
        """Return a part with all that is not plain told line by line."""
        import numpy as np

        lines, starts, done = self._lines, part.starts, 0

        def tell(position: int) -> None:
            content = part.data[starts[position] : part.ends[position]]
            record = lines.record(part.line + position, content)
            part.is_sound[position] = not record.skip and not record.problem
            if not part.is_sound[position]:
                part.others.append(record)

        while lines.is_head and done < len(is_plain):
            tell(done)
            done += 1
        others = [] if lines.trailer else (done + np.flatnonzero(~is_plain[done:])).tolist()
        for position in others:
            lines.records += position - done
            tell(position)
            done = position + 1
            if lines.trailer:
                break
        if not lines.trailer:
            lines.records += len(is_plain) - done
            return part
        for position in range(done, len(is_plain)):
            tell(position)
        return part


def _pieces(text: Path, size: int, most: int) -> Iterator[bytes]:
    """Yield whole lines of a text, each of which ends in a line feed alone."""
    with FileText(text) as content:
        start = len(codecs.BOM_UTF8) if content[:3] == codecs.BOM_UTF8 else 0
        wanted = size
        while start < len(content):
            data = content[start : start + wanted]
            if start + len(data) == len(content) and not data.endswith(b"\n"):
                data += b"\n"
            end = data.rfind(b"\n") + 1
            if not end and wanted > most:
                raise Unalike
            if not end:
                wanted *= 2
                continue
            wanted, start = size, start + end
            data = data[:end]
            if b"\r" in data:
                if data.count(b"\r") != data.count(b"\r\n"):
                    raise Unalike
                data = data.replace(b"\r\n", b"\n")
            yield data
