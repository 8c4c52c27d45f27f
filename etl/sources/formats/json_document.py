"""One JSON document whose records lie in an array: found one by one, in bounded memory, as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from etl.errors import UnreadableError
from etl.sources.formats.json_values import Malformed, decoded
from etl.sources.formats.limits import too_long

_BLOCK_CHARACTERS = 1 << 20
_SPACE = re.compile(r"[ \t\n\r]*")
#: What a value is, by its first character.
_KINDS = {"n": "null", "t": "true", "f": "false", '"': "a text", "{": "an object", "[": "an array", "": "missing"}
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+("?)|[\[\]{},]', re.DOTALL)


class Element(NamedTuple):
    """A value as it is written, from its line on; with a `problem` there is no value."""

    line: int
    text: str
    value: Any = None
    problem: str = ""


@dataclass(kw_only=True)
class _Cursor:
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
            if self.is_end or len(self.buffer) - self.at > self.largest:
                problem = "the file ends within it" if self.is_end else too_long(self.largest)
                end = len(self.buffer)
                break
            self._grow()
        text = self.buffer[self.at : end]
        self._move(end)
        return Element(line, text, value, problem)

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
        try:
            value, end = decoded(self.buffer, self.at)
        except Malformed as error:
            return None, str(error), self._end_of_malformed()
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


def _span(text: str, start: int) -> int | None:
    """Return where a malformed value ends, as far as its brackets and strings tell; None if it does not."""
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
    return None


def elements(text: Path, keys: tuple[str, ...], largest: int) -> Iterator[Element]:
    """Yield the elements of the array at `keys` of the document, and what belongs to no element.

    Raises UnreadableError if there is no such array.
    """
    with text.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        cursor = _Cursor(file=file, largest=largest)
        document = _Document(cursor, keys)
        yield from document.inside(keys)
        if not document.is_found:
            raise UnreadableError(document.missing(text))
        yield from cursor.rest("it stands after the end of the document")


def sequence(text: Path, largest: int) -> Iterator[Element]:
    """Yield values that only space lies between; a malformed one ends at the end of its line."""
    with text.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        cursor = _Cursor(file=file, largest=largest, is_lines=True)
        while cursor.peek():
            yield cursor.element()


class _Document:
    def __init__(self, cursor: _Cursor, keys: tuple[str, ...]) -> None:
        self._cursor = cursor
        self._keys = keys
        self._seen: list[str] = []
        self._is_over = False
        #: What stands where the array, or an object on the way to it, belongs.
        self._instead = ""
        self.is_found = False

    def inside(self, keys: tuple[str, ...]) -> Iterator[Element]:
        """Yield the records of the value at the cursor."""
        if self.is_found and not keys:
            yield from self._over(f"the records at {'.'.join(self._keys)} appear twice")
        elif not keys and self._cursor.take("["):
            self.is_found = True
            yield from self._array()
        elif keys and self._cursor.take("{"):
            yield from self._object(keys)
        else:
            path = ".".join(self._keys[: len(self._keys) - len(keys)]) or "the document"
            what = _KINDS.get(self._cursor.peek(), "a number")
            self._instead = f"{path} is {what}, not {'an object' if keys else 'an array of records'}"

    def missing(self, text: Path) -> str:
        """Return what to say of a document without the array."""
        if self._keys and self._instead:
            return f"{text}: {self._instead}. Ask for an empty array, [], on a day without records."
        if self._keys:
            seen = ", ".join(self._seen[:20]) or "none"
            return f"{text} holds no array at {'.'.join(self._keys)}; the keys found are: {seen}."
        return f"{text} is not a JSON array. If the records are in an array of an object, write records='its.key'."

    def _array(self) -> Iterator[Element]:
        cursor = self._cursor
        problem = ""
        while not cursor.take("]"):
            element = cursor.element()
            long = too_long(cursor.largest) if len(element.text) > cursor.largest else ""
            yield element._replace(problem=element.problem or problem or long)
            problem = ""
            if not cursor.peek():
                yield from self._over("" if element.problem else "the file ends within the array")
                return
            if cursor.peek() == "]":
                continue
            if not cursor.take(","):
                problem = "there is no comma before it"
            elif cursor.peek() == "]":
                yield Element(cursor.line, "", None, "there is nothing after the last comma")

    def _object(self, keys: tuple[str, ...]) -> Iterator[Element]:
        cursor = self._cursor
        is_first = True
        while not self._is_over and not cursor.take("}"):
            is_sound = (is_first or cursor.take(",")) and cursor.peek() == '"'
            is_first = False
            key = cursor.element() if is_sound else None
            if key is None or key.problem or not cursor.take(":"):
                yield from self._over("it is not JSON", key)
                return
            self._seen.append(key.value)
            if key.value == keys[0]:
                yield from self.inside(keys[1:])
            elif (value := cursor.element()).problem:
                yield from self._over(value.problem, value)

    def _over(self, problem: str, taken: Element | None = None) -> Iterator[Element]:
        """Yield what is left as broken, once; at least one record, so that a file cut short is not sound."""
        if self.is_found and not self._is_over and problem:
            is_end = not self._cursor.peek()
            if taken:
                yield taken._replace(problem=problem)
            elif is_end:
                yield Element(self._cursor.line, "", None, "the file ends too early")
            yield from self._cursor.rest(problem)
        self._is_over = True
