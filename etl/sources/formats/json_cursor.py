"""A place in a text of JSON, of which a part is in memory: values are taken one by one, as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any, NamedTuple, TextIO

from etl.sources.formats.json_values import Malformed, decoded
from etl.sources.formats.limits import LONGEST_BYTES, too_long

_BLOCK_CHARACTERS = 1 << 20
#: So much of what is behind the place stays in memory.
_PASSED_CHARACTERS = 1 << 18
_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+("?)|[\[\]{},]', re.DOTALL)


class Element(NamedTuple):
    """A value as it is written, from its line on; with a `problem` there is no value."""

    line: int
    text: str
    value: Any = None
    problem: str = ""


@dataclass(kw_only=True)
class Cursor:
    """A place in a file of which a part is in memory."""

    file: TextIO
    #: So many characters of one value are in memory.
    largest: int
    buffer: str = ""
    at: int = 0
    line: int = 1
    is_end: bool = False
    #: Whether values lie on lines, where a malformed one ends, rather than in an array.
    is_lines: bool = False
    #: Whether NaN and Infinity are numbers.
    nan: bool = False

    def peek(self) -> str:
        """Go to the next character that is no space and return it; empty at the end of the file."""
        while True:
            match = _SPACE.match(self.buffer, self.at)
            self._move(match.end() if match else self.at)
            if self.at < len(self.buffer) or self.is_end:
                return self.buffer[self.at : self.at + 1]
            self._grow()

    def take(self, char: str) -> bool:
        """Step over the next character if it is this one."""
        found = self.peek() == char
        if found:
            self._move(self.at + 1)
        return found

    def element(self) -> Element:
        """Step over one value; a malformed one ends before the comma or bracket that its own leave open."""
        self.peek()
        line = self.line
        while True:
            value, problem, end = self._decoded()
            if end is not None and (end < len(self.buffer) or self.is_end):
                break
            if self.is_end:
                problem, end = "the file ends within it", len(self.buffer)
                break
            if len(self.buffer) - self.at > self.largest:
                problem, end = too_long(self.largest), self._end_of_long()
                break
            self._grow()
        text = self.buffer[self.at : end]
        self._move(end)
        if not problem and len(text) > self.largest:
            return Element(line, text, None, too_long(self.largest))
        return Element(line, text, value, problem)

    def _end_of_long(self) -> int:
        """Return where a value ends that is not decoded, since it is too long; or where memory does."""
        end = _span(self.buffer, self.at, is_alone=self.is_lines)
        while end is None and not self.is_end and len(self.buffer) - self.at <= LONGEST_BYTES:
            self._grow()
            end = _span(self.buffer, self.at, is_alone=self.is_lines)
        return len(self.buffer) if end is None else end

    def rest(self, problem: str) -> Iterator[Element]:
        """Yield what is left of the file, in pieces that fit into memory."""
        while self.peek():
            line = self.line
            while len(self.buffer) - self.at < self.largest and not self.is_end:
                self._grow()
            text = self.buffer[self.at :]
            self._move(len(self.buffer))
            yield Element(line, text.rstrip(" \t\n\r"), None, problem)

    def _decoded(self) -> tuple[Any, str, int | None]:
        if self.at > _PASSED_CHARACTERS:
            # an error counts the lines before it, from the beginning of the text that it is in
            self.buffer, self.at = self.buffer[self.at :], 0
        try:
            value, end = decoded(self.buffer, self.at, self.nan)
        except Malformed as error:
            is_cut = self.is_lines and not self.is_end and _is_cut(error, len(self.buffer))
            return None, str(error), None if is_cut else self._end_of_malformed()
        return value, "", end

    def _end_of_malformed(self) -> int | None:
        if not self.is_lines:
            return _span(self.buffer, self.at)
        # what is in memory may lack the rest of a sound value of several lines
        is_seen = self.is_end or len(self.buffer) - self.at > self.largest
        end = self.buffer.find("\n", self.at) if is_seen else -1
        return end if end >= 0 else None

    def _grow(self) -> None:
        # twice as much each time: a long value is not looked at again and again
        more = self.file.read(max(_BLOCK_CHARACTERS, len(self.buffer) - self.at))
        self.is_end = not more
        self.buffer, self.at = self.buffer[self.at :] + more, 0

    def _move(self, to: int) -> None:
        self.line += self.buffer.count("\n", self.at, to)
        self.at = to


def _is_cut(error: Malformed, size: int) -> bool:
    """Return whether nothing is wrong with a text of that size but that it ends."""
    cause = error.__cause__
    if not isinstance(cause, JSONDecodeError):
        return False
    # a literal may be cut off, such as "fals"
    return cause.msg.startswith("Unterminated string") or cause.pos > size - len("-Infinity")


def _span(text: str, start: int, *, is_alone: bool = False) -> int | None:
    """Return where a value ends, as far as its brackets and strings tell; None if it does not.

    One that is alone ends with its last bracket, and another before the comma or bracket that is not its own.
    """
    depth = 0
    for match in _TOKEN.finditer(text, start):
        token = match[0]
        if token[0] == '"':
            if not match[1]:
                return None
        elif token in "[{":
            depth += 1
        elif depth == 0 and token in ",]":
            return match.start()
        elif token in "]}":
            depth = max(depth - 1, 0)
            if is_alone and not depth:
                return match.end()
    return None
