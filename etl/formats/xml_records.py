"""The elements at one path of an XML file, one by one, with their original text and physical line.

Parsed by expat, which gives the offset of every element, and stops at a document type before any entity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.parsers.expat import ExpatError, ParserCreate

from etl.errors import UnreadableError
from etl.formats.content import Content

#: Between the steps of a path, and between a namespace and a name; no XML holds these characters.
STEP, SPACE = "\x1f", "\x1e"
XML = "http://www.w3.org/XML/1998/namespace"
#: The root around records that stand alone.
ROOT = "etl-records"
_SCHEMA = f"http://www.w3.org/2001/XMLSchema-instance{SPACE}"
_BLOCK_BYTES = 1 << 16
_LARGEST_BYTES = 1 << 26
_DEEPEST = 200
_TAG = re.compile(rb"<[^\s/>]+")


class Found(NamedTuple):
    """A record: its values by path, an attribute's with @; or what is wrong with it."""

    line: int
    content: bytes
    values: list[tuple[str, str | None]]
    problem: str = ""


def records(path: Path, text: Path, steps: tuple[str, ...]) -> Iterator[Found]:
    """Yield the elements at `steps` from the root of `text`, UTF-8, and as broken what cannot be parsed.

    Raises UnreadableError, which names `path`, for a document type and for a file without such elements.
    """
    with Content(text) as content:
        parser = _Parser(path, content, steps)
        yield from parser.records()


class _Parser:
    def __init__(self, path: Path, content: Content, steps: tuple[str, ...]) -> None:
        self._path = path
        self._content = content
        self._steps = steps
        self._prolog = f"<{ROOT}>".encode() if steps[0] == ROOT else b""
        self._expat = ParserCreate("utf-8", SPACE)
        self._expat.buffer_text = True
        self._expat.ordered_attributes = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._data
        self._expat.StartNamespaceDeclHandler = self._declare
        self._expat.StartDoctypeDeclHandler = self._refuse
        self._names: list[str] = []
        self._matched = 0
        self._reached = 0
        self._siblings: set[str] = set()
        self._namespaces: list[tuple[int, str | None, str]] = []
        self._found: list[Found] = []
        self._count = 0
        # the record that is open: its start, line and values
        self._from: int | None = None
        self._line = 0
        self._values: list[tuple[str, str | None]] = []
        self._open: list[_Open] = []
        self._is_deep = False
        self._tail = 0, 1

    def records(self) -> Iterator[Found]:
        fed = 0
        problem = ""
        while not problem and fed <= len(self._content):
            # a token that does not end is looked at again with each block: let the blocks grow with it
            size = max(_BLOCK_BYTES, fed - self._at() if fed else 0)
            problem = self._feed(fed, size)
            fed += size
            if self._from is not None and min(fed, len(self._content)) - self._from > _LARGEST_BYTES:
                problem = problem or "the record is too long"
            yield from self._found
            self._found.clear()
        if problem and not self._siblings and not self._count and not self._is_in_place():
            raise UnreadableError(f"{self._path} is no XML: {problem}.")
        if problem:
            yield from self._rest(problem)
        elif not self._count and (self._siblings or not self._is_in_place()):
            self._refuse_other_paths()

    def _is_in_place(self) -> bool:
        """Return whether the parent of the records was there."""
        return self._reached >= len(self._steps) - 1

    def _refuse_other_paths(self) -> None:
        wanted = "/".join(step.rpartition(SPACE)[2] for step in self._steps)
        seen = ", ".join(sorted(self._siblings)[:10]) or "no others"
        raise UnreadableError(
            f"{self._path} holds no element at {wanted}; the elements on the way to it are: {seen}."
        )

    def _feed(self, start: int, size: int) -> str:
        is_last = start + size > len(self._content)
        block = self._content[start : start + size]
        try:
            if start == 0 and self._prolog:
                self._expat.Parse(self._prolog, False)
            self._expat.Parse(block, is_last and not self._prolog)
            if is_last and self._prolog:
                self._expat.Parse(f"</{ROOT}>".encode(), True)
        except ExpatError as error:
            return f"it is no XML: {error}"
        return ""

    def _at(self) -> int:
        return self._expat.CurrentByteIndex - len(self._prolog)

    def _start(self, name: str, attributes: list[str]) -> None:
        if self._from is None:
            self._names.append(name)
            depth = len(self._names)
            is_on_way = self._matched == depth - 1 and depth <= len(self._steps)
            if is_on_way and name == self._steps[depth - 1]:
                self._matched = depth
                self._reached = max(depth, self._reached)
                if depth == len(self._steps):
                    self._begin(attributes)
            elif is_on_way:
                self._siblings.add("/".join(each.rpartition(SPACE)[2] for each in self._names))
        elif len(self._open) > _DEEPEST:
            self._is_deep = True
            self._open.append(self._open[-1])
        else:
            parent = self._open[-1]
            parent.has_children = True
            self._enter(f"{parent.path}{STEP}{name}" if parent.path else name, attributes)

    def _begin(self, attributes: list[str]) -> None:
        self._from, self._line = self._at(), self._expat.CurrentLineNumber
        self._values, self._open, self._is_deep = [], [], False
        self._enter("", attributes)

    def _enter(self, path: str, attributes: list[str]) -> None:
        element = _Open(path, [])
        self._open.append(element)
        for name, value in zip(attributes[::2], attributes[1::2], strict=True):
            if not name.startswith(_SCHEMA):
                self._values.append((f"{path}{STEP}@{name}" if path else f"@{name}", value))
            elif name == f"{_SCHEMA}nil" and value.strip() in ("true", "1"):
                element.is_nil = True

    def _data(self, text: str) -> None:
        if self._open:
            self._open[-1].texts.append(text)

    def _end(self, name: str) -> None:
        if self._from is None:
            self._names.pop()
            self._matched = min(self._matched, len(self._names))
            while self._namespaces and self._namespaces[-1][0] > len(self._names):
                self._namespaces.pop()
            return
        element = self._open.pop()
        if len(self._open) <= _DEEPEST:
            text = "".join(element.texts)
            if element.is_nil and not text:
                self._values.append((element.path or ".", None))
            elif text.strip() or not (element.has_children or not element.path):
                self._values.append((element.path or ".", text))
        if not self._open:
            self._finish(element)

    def _finish(self, element: _Open) -> None:
        at, start = self._at(), self._from or 0
        is_closed = not element.texts and not element.has_children and self._content[at - 2 : at] == b"/>"
        end = at if is_closed else self._content.find(b">", at) + 1
        content = self._with_namespaces(self._content[start:end])
        problem = "it is nested too deeply" if self._is_deep else ""
        self._found.append(Found(self._line, content, self._values, problem))
        self._count += 1
        self._from = None
        self._tail = end, self._expat.CurrentLineNumber
        self._names.pop()
        self._matched = len(self._names)
        while self._namespaces and self._namespaces[-1][0] > len(self._names):
            self._namespaces.pop()

    def _declare(self, prefix: str | None, uri: str) -> None:
        if self._from is None:
            self._namespaces.append((len(self._names) + 1, prefix, uri))

    def _with_namespaces(self, content: bytes) -> bytes:
        """Return a record that stands alone: with the prefixes that elements around it declare."""
        known = {prefix: uri for depth, prefix, uri in self._namespaces if depth < len(self._steps)}
        for depth, prefix, _ in self._namespaces:
            if depth == len(self._steps):
                known.pop(prefix, None)
        tag = _TAG.match(content)
        if not known or not tag:
            return content
        texts = (
            f' xmlns{":" if prefix else ""}{prefix or ""}="{_escaped(uri or "")}"' for prefix, uri in known.items()
        )
        return content[: tag.end()] + "".join(texts).encode() + content[tag.end() :]

    def _refuse(self, name: str, *_: object) -> None:
        raise UnreadableError(
            f"{self._path} has a document type ({name}), which may hide or multiply text by entities; "
            "etl reads none that has. Ask for the file without it."
        )

    def _rest(self, problem: str) -> Iterator[Found]:
        """Yield what is left of the file, in pieces that fit into memory; at least one."""
        start, line = self._tail
        if self._from is not None:
            start, line = self._from, self._line
        before = re.compile(rb"\s*").match(self._content[start : start + _LARGEST_BYTES])
        begin = start + (before.end() if before else 0)
        line += self._content[start:begin].count(b"\n")
        yield Found(line, self._content[begin : begin + _LARGEST_BYTES].rstrip(b"\r\n"), [], problem)
        for more in range(begin + _LARGEST_BYTES, len(self._content), _LARGEST_BYTES):
            yield Found(line, self._content[more : more + _LARGEST_BYTES], [], problem)


class _Open:
    """An element within a record that has not ended yet."""

    def __init__(self, path: str, texts: list[str]) -> None:
        self.path = path
        self.texts = texts
        self.has_children = False
        self.is_nil = False


def _escaped(uri: str) -> str:
    return uri.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
