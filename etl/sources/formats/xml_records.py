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
from etl.sources.formats.file_text import FileText
from etl.sources.formats.limits import LONGEST_BYTES, too_long
from etl.sources.formats.xml_names import SCHEMA, SPACE, Name, Names

#: The namespace of attributes that a record's text has from the elements around it, and its prefix.
ABOVE, _ABOVE_PREFIX = "urn:etl:above", "etl-above"
#: The root around records that stand alone.
ROOT = "etl-records"
_NIL = f"{SCHEMA}nil"
_BLOCK_BYTES = 1 << 16
_DEEPEST = 200
_TAG = re.compile(rb"<[^\s/>]+")
#: How an attribute says these characters; blanks of other kinds would come back as spaces.
_ESCAPES = str.maketrans({"&": "&amp;", '"': "&quot;", "<": "&lt;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})


class Found(NamedTuple):
    """A record: the values of its elements and attributes, in order; or what is wrong with it."""

    line: int
    content: bytes
    values: list[tuple[Name, str | None]]
    problem: str = ""
    #: What is put into its tag, so that it says what the elements around it do.
    added: bytes = b""

    def alone(self) -> Found:
        """Return the record as it stands alone."""
        tag = _TAG.match(self.content)
        if not tag:
            return self
        content = self.content[: tag.end()] + self.added + self.content[tag.end() :]
        return self._replace(content=content, added=b"")


def records(path: Path, text: Path, steps: tuple[str, ...], names: Names, largest: int) -> Iterator[Found]:
    """Yield the elements at `steps` from the root of `text`, UTF-8, and as broken what cannot be parsed.

    Raises UnreadableError, which names `path`, for a document type and for a file without such elements.
    """
    with FileText(text) as content:
        parser = _Parser(path, content, steps, names, largest)
        yield from parser.records()


class _Parser:
    """Follows expat; every method that it calls for each element of a record does as little as it can."""

    def __init__(self, path: Path, content: FileText, steps: tuple[str, ...], names: Names, largest: int) -> None:
        self._path = path
        self._content = content
        self._steps = steps
        self._names = names
        self._largest = largest
        self._prolog = f"<{ROOT}>".encode() if steps[0] == ROOT else b""
        self._expat = ParserCreate("utf-8", SPACE)
        self._expat.buffer_text = True
        self._expat.buffer_size = _BLOCK_BYTES
        self._expat.ordered_attributes = True
        self._expat.StartNamespaceDeclHandler = self._declare
        self._expat.StartDoctypeDeclHandler = self._refuse
        # the elements around records
        self._around: list[str] = []
        # their attributes, if records are read with some of them, and those that the open record has so
        self._given: list[list[str]] = []
        self._above: list[str] = []
        self._above_said: list[str] = []
        self._matched = 0
        self._reached = 0
        self._siblings: set[str] = set()
        self._namespaces: list[tuple[int, str | None, str]] = []
        self._declared: bytes | None = None
        self._found: list[Found] = []
        self._count = 0
        # the bytes that are looked at, and where they begin
        self._held, self._held_from = b"", 0
        # the record that is open: its start, line and values, and what is open in it
        self._from: int | None = None
        self._line = 0
        self._values: list[tuple[Name, str | None]] = []
        self._open: list[_Open] = []
        self._inner = _Open(names.record)
        self._deeper = 0
        self._is_deep = False
        self._tail = 0, 1
        self._follow(within=False)

    def records(self) -> Iterator[Found]:
        fed = 0
        problem = ""
        while not problem and fed <= len(self._content):
            # what is looked at again with each block, such as a token that does not end, lets the blocks grow
            kept = min(self._at(), fed if self._from is None else self._from) if fed else 0
            size = max(_BLOCK_BYTES, fed - kept)
            problem = self._feed(fed, size, kept)
            fed += size
            most = max(self._largest, LONGEST_BYTES)
            if self._from is not None and min(fed, len(self._content)) - self._from > most:
                problem = problem or too_long(self._largest)
            # one after another: what is around them may be many times as long as they are
            yield from (found.alone() if found.added else found for found in self._found)
            self._found.clear()
        if problem and not self._siblings and not self._count and not self._is_in_place():
            raise UnreadableError(f"{self._path} is not XML: {problem}.")
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

    def _feed(self, start: int, size: int, kept: int) -> str:
        is_last = start + size > len(self._content)
        block = self._content[start : start + size]
        self._held, self._held_from = self._held[kept - self._held_from :] + block, kept
        try:
            if start == 0 and self._prolog:
                self._expat.Parse(self._prolog, False)
            self._expat.Parse(block, is_last and not self._prolog)
            if is_last and self._prolog:
                self._expat.Parse(f"</{ROOT}>".encode(), True)
        except ExpatError as error:
            return f"it is not XML: {error}"
        return ""

    def _at(self) -> int:
        return self._expat.CurrentByteIndex - len(self._prolog)

    def _follow(self, within: bool) -> None:
        """Have expat call what follows it within a record, or around one."""
        self._expat.StartElementHandler = self._start if within else self._start_around
        self._expat.EndElementHandler = self._end if within else self._end_around
        self._expat.CharacterDataHandler = self._data if within else None

    def _start_around(self, name: str, attributes: list[str]) -> None:
        self._around.append(name)
        if self._names.above:
            self._given.append(attributes)
        depth = len(self._around)
        is_on_way = self._matched == depth - 1 and depth <= len(self._steps)
        if is_on_way and name == self._steps[depth - 1]:
            self._matched = depth
            self._reached = max(depth, self._reached)
            if depth == len(self._steps):
                self._begin(attributes)
        elif is_on_way and len(self._siblings) < 100:
            self._siblings.add("/".join(each.rpartition(SPACE)[2] for each in self._around))

    def _begin(self, attributes: list[str]) -> None:
        self._from, self._line = self._at(), self._expat.CurrentLineNumber
        self._values, self._open, self._is_deep = [], [], False
        self._inner = _Open(self._names.record)
        if self._names.above:
            self._above = list(self._attributes_above())
            attributes = [*attributes, *self._above]
        if attributes:
            self._take_attributes(self._inner, attributes)
        self._follow(within=True)

    def _attributes_above(self) -> Iterator[str]:
        """Yield name and value of each attribute of the elements around that the record is read with."""
        for name, (up, attribute) in self._names.above.items():
            given = self._given[-1 - up]
            if attribute in given[::2]:
                yield from (name, given[given[::2].index(attribute) * 2 + 1])

    def _start(self, name: str, attributes: list[str]) -> None:
        outer = self._inner
        if self._deeper or len(self._open) >= _DEEPEST:
            self._deeper += 1
            self._is_deep = True
            return
        outer.has_children = True
        self._open.append(outer)
        found = outer.name.children.get(name) or self._names.child(outer.name, name)
        if found.choice:
            found = self._names.chosen(outer.name, found, attributes)
        self._inner = _Open(found)
        if attributes:
            self._take_attributes(self._inner, attributes)

    def _take_attributes(self, element: _Open, attributes: list[str]) -> None:
        names = element.name.attributes
        for name, value in zip(attributes[::2], attributes[1::2], strict=True):
            if not name.startswith(SCHEMA):
                element.has_attributes = True
                found = names.get(name) or self._names.attribute(element.name, name)
                # by which an element was chosen is known already
                if found.column is not None or name != element.name.chosen:
                    self._values.append((found, value))
            elif name == _NIL and value.strip() in ("true", "1"):
                element.is_nil = True

    def _data(self, text: str) -> None:
        # nearly all elements have one text
        if not self._inner.text:
            self._inner.text = text
        elif not self._deeper:
            self._inner.texts = self._inner.texts or []
            self._inner.texts.append(text)

    def _end(self, name: str) -> None:
        if self._deeper:
            self._deeper -= 1
            return
        element = self._inner
        text = element.text
        if element.texts:
            text += "".join(element.texts)
        if text and not text.isspace():
            self._values.append((element.name, text))
        elif element.is_nil and not text:
            self._values.append((element.name, None))
        elif element.is_value_if_blank:
            self._values.append((element.name, text))
        if self._open:
            self._inner = self._open.pop()
        else:
            self._finish(element)

    def _finish(self, element: _Open) -> None:
        at, start = self._at() - self._held_from, (self._from or 0) - self._held_from
        is_closed = not element.text and not element.has_children and self._held[at - 2 : at] == b"/>"
        end = at if is_closed else self._held.find(b">", at) + 1
        content = self._held[start:end]
        added = self._around_it() if self._namespaces or self._above else b""
        problem = "it is nested too deeply" if self._is_deep else ""
        self._found.append(Found(self._line, content, self._values, problem, added))
        self._count += 1
        self._from = None
        self._tail = end + self._held_from, self._expat.CurrentLineNumber
        self._follow(within=False)
        self._end_around("")

    def _end_around(self, name: str) -> None:
        self._around.pop()
        if self._given:
            self._given.pop()
        self._matched = min(self._matched, len(self._around))
        while self._namespaces and self._namespaces[-1][0] > len(self._around):
            self._namespaces.pop()
            self._declared = None

    def _declare(self, prefix: str | None, uri: str) -> None:
        if self._from is None:
            self._namespaces.append((len(self._around) + 1, prefix, uri))
            self._declared = None

    def _around_it(self) -> bytes:
        """Return what elements around a record declare, and say for it; it is the same text for its neighbours."""
        if self._declared is None or self._above != self._above_said:
            known = {prefix: uri for depth, prefix, uri in self._namespaces if depth < len(self._steps)}
            for depth, prefix, _ in self._namespaces:
                if depth == len(self._steps):
                    known.pop(prefix, None)
            texts = [f' xmlns{":" if p else ""}{p or ""}="{_escaped(uri or "")}"' for p, uri in known.items()]
            texts += [f' xmlns:{_ABOVE_PREFIX}="{ABOVE}"'] if self._above else []
            for name, value in zip(self._above[::2], self._above[1::2], strict=True):
                texts.append(f' {_ABOVE_PREFIX}:{name.rpartition(SPACE)[2]}="{_escaped(value)}"')
            self._declared, self._above_said = "".join(texts).encode(), self._above
        return self._declared

    def _refuse(self, name: str, *_: object) -> None:
        raise UnreadableError(
            f"{self._path} has a document type ({name}), which can hide or multiply text. "
            "etl does not read it. Ask for the file without it."
        )

    def _rest(self, problem: str) -> Iterator[Found]:
        """Yield what is left of the file, in pieces that fit into memory; at least one."""
        start, line = self._tail
        if self._from is not None:
            start, line = self._from, self._line
        before = re.compile(rb"\s*").match(self._content[start : start + self._largest])
        begin = start + (before.end() if before else 0)
        line += self._content[start:begin].count(b"\n")
        yield Found(line, self._content[begin : begin + self._largest].rstrip(b"\r\n"), [], problem)
        for more in range(begin + self._largest, len(self._content), self._largest):
            yield Found(line, self._content[more : more + self._largest], [], problem)


class _Open:
    """An element within a record that has not ended yet; `text` begins its text, and `texts` follow."""

    text = ""
    texts: list[str] | None = None
    has_children = has_attributes = is_nil = False

    def __init__(self, name: Name) -> None:
        self.name = name

    @property
    def is_value_if_blank(self) -> bool:
        """Whether nothing, or blanks, are its value: not around elements, nor where it is only attributes."""
        if self.has_children or not self.name.path:
            return False
        return not self.has_attributes or self.name.column is not None


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
