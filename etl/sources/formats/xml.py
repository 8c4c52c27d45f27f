"""XML: records by path, their attributes and elements as cells; no document type, no entities, no network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.errors import ContractError, UnreadableError
from etl.sources.formats import plain
from etl.sources.formats.json_values import dumped
from etl.sources.formats.limits import Limit, too_long
from etl.sources.formats.staged import Extras, Staged, StagedRecord, stage
from etl.sources.formats.xml_names import SPACE, STEP, XML, Name
from etl.sources.formats.xml_records import ROOT, Found, records

_PLAIN = r"[^\W\d][\w.-]*"
_NAME = rf"(?:{_PLAIN}:)?{_PLAIN}"
_PATH = re.compile(rf"\.|@{_NAME}|{_NAME}(?:/{_NAME})*(?:/@{_NAME}|\[\])?")
_DECLARED = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z][\w.-]*)[\"']")
_STARTS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}


@dataclass(frozen=True, kw_only=True)
class Xml(plain.TextFile):
    """The elements at `record`, a path from the root such as `orders/order`.

    A column is the child element of its name, or what `fields` says: `@id`, `address/city`, `line/@no`, `.`
    for the record's own text, `tag[]` for all elements of that name as a JSON list. `namespaces` gives the
    prefixes used in paths; the empty one is that of elements without a prefix. `strip`, which is on, takes white
    space off both ends of an element's text, but not of an attribute's; where blanks belong to the values, say
    False. A cell equal to (one of) `null` is then null, as is xsi:nil.
    Elements and attributes that no column takes are extra; a second element for one cell breaks the record.
    The encoding is the one that the file declares, unless `encoding` says another.
    """

    record: str
    fields: Mapping[str, str] = field(default_factory=dict)
    namespaces: Mapping[str, str] = field(default_factory=dict)
    strip: bool = True
    null: str | Sequence[str] = ""
    encoding: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "null", (self.null,) if isinstance(self.null, str) else tuple(self.null))
        if not re.fullmatch(rf"{_NAME}(?:/{_NAME})*", self.record):
            raise ContractError(f"Xml(record={self.record!r}) is not a path of elements, such as orders/order.")
        for name, path in self.fields.items():
            if not _PATH.fullmatch(path):
                raise ContractError(
                    f"Xml: fields[{name!r}]={path!r} is not understood. Write one such as @id, address/city or "
                    "tag[]."
                )
        for path in (self.record, *self.fields.values()):
            self._steps(path.removesuffix("[]"))

    def open(self, path: Path, expected: Sequence[str], scratch: Path) -> Staged:
        """Take a file apart; its cells are then at `scratch`. Raises UnreadableError for a document type."""
        unpacked, copy = (scratch.with_name(scratch.name + end) for end in (".xml", ".text"))
        try:
            packed = plain.plain(path, "utf-8", self.compression, unpacked, self.max_expansion, self.member)
            encoding = self.encoding or _declared(packed)
            text = plain.plain(packed, encoding, "none", copy)
            encoding = plain.exact_encoding(packed, encoding, "none")
            extras = Extras()
            names = [*expected, *(name for name in self.fields if name not in expected)]
            found = self._found(path, text, self._places(names))
            staged = self._staged(found, names, len(expected), extras, encoding)
            return stage(staged, expected, scratch, extras, limit=Limit(path, self.max_expansion))
        finally:
            unpacked.unlink(missing_ok=True)
            copy.unlink(missing_ok=True)

    def record_format(self, columns: Sequence[str]) -> Xml:
        """Return the format of the records' texts."""
        return _XmlRecords(**{**vars(self), "encoding": "utf-8", "compression": "none", "member": ""})

    def redacted(
        self, text: str, columns: Sequence[str], hidden: Mapping[str, Callable[[str], str]]
    ) -> str | None:
        """Return a record's text with the cells of hidden columns replaced; None if it is malformed.

        Of an element, the attributes and all elements within are hidden too.
        """
        from xml.etree import ElementTree

        if "<!DOCTYPE" in text:
            return None
        try:
            root = ElementTree.fromstring(text)
        except (ElementTree.ParseError, ValueError):
            return None
        for name, hide in hidden.items():
            if path := self._path(name):
                self._hide(root, self._steps(path), hide)
        return ElementTree.tostring(root, encoding="unicode")

    def within(self, column: str) -> str:
        """Return what the names of a column's attributes and elements begin with."""
        path = self._path(column)
        return "" if path == "." or "@" in path else f"{self._shown(self._steps(path.removesuffix('[]')))}/"

    def _hide(self, root: Any, path: str, hide: Callable[[str], str]) -> None:
        *steps, last = path.removesuffix("[]").split(STEP)
        is_attribute, is_own = last.startswith("@"), last == "."
        steps = [_clark(step) for step in (steps if is_attribute or is_own else [*steps, last])]
        for element in root.findall("/".join(steps)) if steps else [root]:
            if is_attribute:
                self._hide_attributes(element, [_clark(last[1:])], hide)
                continue
            for part in [element] if is_own else element.iter():
                self._hide_text(part, hide)
                if not is_own:
                    self._hide_attributes(part, list(part.attrib), hide)

    def _hide_text(self, element: Any, hide: Callable[[str], str]) -> None:
        """Replace the text of an element, which its own elements may interrupt."""
        text = "".join([element.text or "", *(child.tail or "" for child in element)])
        if text.strip():
            element.text = hide(text.strip(" \t\r\n") if self.strip else text)
            for child in element:
                child.tail = None

    def _hide_attributes(self, element: Any, names: Sequence[str], hide: Callable[[str], str]) -> None:
        for name in names:
            if element.attrib.get(name, "").strip():
                element.attrib[name] = hide(element.attrib[name])

    def _found(self, path: Path, text: Path, places: Mapping[str, tuple[int, bool]]) -> Iterator[Found]:
        return records(path, text, tuple(self._steps(self.record).split(STEP)), places, self.max_record_bytes)

    def _path(self, column: str) -> str:
        """Return the path of a column; empty if its name is not that of an element, and `fields` has no other."""
        return self.fields.get(column, column if re.fullmatch(_PLAIN, column) else "")

    def _steps(self, path: str) -> str:
        """Return a path with every name as the parser says it, with its namespace."""
        return STEP.join(map(self._step, path.split("/")))

    def _step(self, step: str) -> str:
        at = "@" if step.startswith("@") else ""
        prefix, colon, name = step.removeprefix("@").rpartition(":")
        known = {"xml": XML, "": "", **self.namespaces}
        if prefix not in known:
            raise ContractError(f"Xml: prefix {prefix!r} in a path is not in namespaces={dict(self.namespaces)}.")
        uri = "" if name == "." or (at and not colon) else known[prefix]
        return at + (f"{uri}{SPACE}{name}" if uri else name)

    def _places(self, names: Sequence[str]) -> dict[str, tuple[int, bool]]:
        """Return for each path its column, and whether it is a list."""
        places = {}
        for number, name in enumerate(names):
            if path := self._path(name):
                places[self._steps(path.removesuffix("[]"))] = (number, path.endswith("[]"))
        return places

    def _staged(
        self, found: Iterator[Found], names: Sequence[str], width: int, extras: Extras, encoding: str
    ) -> Iterator[StagedRecord]:
        for record in found:
            long = too_long(self.max_record_bytes) if len(record.content) > self.max_record_bytes else ""
            if record.problem or long:
                text, raw = plain.shown(plain.original(record.content, encoding), encoding)
                yield StagedRecord(record.line, text, problem=record.problem or long, raw=raw)
                continue
            text = record.content.decode()
            cells, extra, problem = self._cells(record.values, names, width)
            if problem or not extra:
                yield StagedRecord(record.line, text, cells, problem)
                continue
            extras.add(extra, record.line)
            yield StagedRecord(record.line, text, cells, extra=dumped(extra))

    def _cells(
        self, values: Sequence[tuple[Name, str | None]], names: Sequence[str], width: int
    ) -> tuple[list[str | None], dict[str, Any], str]:
        cells: list[str | None] = [None] * width
        lists: dict[int, list[str | None]] = {}
        extra: dict[str, list[Any]] = {}
        seen: set[int] = set()
        strip, null = self.strip, self.null
        for name, value in values:
            if value is not None:
                if strip and not name.is_attribute:
                    value = value.strip(" \t\r\n")
                if value in null:
                    value = None
            number = name.column
            if number is None or number >= width:
                shown = self._shown(name.path or ".") if number is None else names[number]
                extra.setdefault(shown, []).append(value)
            elif name.is_list:
                lists.setdefault(number, []).append(value)
            elif number in seen:
                return cells, {}, f"{self._shown(name.path or '.')} appears more than once"
            else:
                seen.add(number)
                cells[number] = value
        for number, items in lists.items():
            cells[number] = dumped(items)
        return cells, {name: items[0] if len(items) == 1 else items for name, items in extra.items()}, ""

    def _shown(self, path: str) -> str:
        """Return a path as its author would write it."""
        prefixes = {uri: prefix and f"{prefix}:" for prefix, uri in {"xml": XML, **self.namespaces}.items()}
        steps = []
        for step in path.split(STEP):
            uri, space, name = step.removeprefix("@").rpartition(SPACE)
            prefix = prefixes.get(uri, f"{{{uri}}}") if space else ""
            steps.append("@" * step.startswith("@") + prefix + name)
        return "/".join(steps)


@dataclass(frozen=True, kw_only=True)
class _XmlRecords(Xml):
    """The texts of records, one after another."""

    def _found(self, path: Path, text: Path, places: Mapping[str, tuple[int, bool]]) -> Iterator[Found]:
        return records(path, text, (ROOT, self._steps(self.record).split(STEP)[-1]), places, self.max_record_bytes)


def _declared(text: Path) -> str:
    """Return the encoding that a file says it has. Raises UnreadableError if Python does not know it."""
    with text.open("rb") as file:
        start = file.read(1000)
    if start[:2] in _STARTS:
        return _STARTS[start[:2]]
    declared = _DECLARED.match(start)
    encoding = declared[1].decode() if declared else "utf-8"
    if encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32", "ucs-")):
        return "utf-8"  # it is not, or its declaration could not have been read
    try:
        plain.check_encoding(encoding)
    except ContractError as error:
        raise UnreadableError(f"{text.name} says that it is in {encoding}. Say which encoding= it has.") from error
    return encoding


def _clark(step: str) -> str:
    uri, _, name = step.rpartition(SPACE)
    return f"{{{uri}}}{name}" if uri else name
