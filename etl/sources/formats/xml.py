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
from etl.sources.formats.xml_names import CHOICE, SPACE, STEP, XML, Name, Names, choices
from etl.sources.formats.xml_records import ABOVE, ROOT, Found, records

_PLAIN = r"[^\W\d][\w.-]*"
_NAME = rf"(?:{_PLAIN}:)?{_PLAIN}"
_CHOICE = rf"(?:\[@(?:{_NAME})=(?:'[^']*'|\"[^\"]*\")\])?"
_ELEMENT = rf"{_NAME}{_CHOICE}"
_PATH = re.compile(rf"\.|(?:\.\./)*@{_NAME}|{_ELEMENT}(?:/{_ELEMENT})*(?:/@{_NAME}|\[\])?")
#: The steps of such a path, and what a step that chooses an element says.
_STEPS = re.compile(rf"(?:[^/\[]|\[\]|{_CHOICE[:-1]})+")
_CHOSEN = re.compile(r"(.+?)\[(@[^=]+)=(['\"])(.*)\3\]", re.DOTALL)
_ABOVE = re.compile(r"((?:\.\./)+)(@.+)")
_DECLARED = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z][\w.-]*)[\"']")
_STARTS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"<\0": "utf-16-le", b"\0<": "utf-16-be"}


@dataclass(frozen=True, kw_only=True)
class Xml(plain.TextFile):
    """The elements at `record`, a path from the root such as `orders/order`.

    A column is the child element of its name, or what `fields` says: `@id`, `address/city`, `line/@no`, `.`
    for the record's own text, `tag[]` for all elements of that name as a JSON list, `value[@kind='in']` for the
    one whose attribute has this value, `../@id` for an attribute of the element around the record. `namespaces`
    gives the prefixes used in paths; the empty one is that of elements without a prefix. `strip`, which is on,
    takes white space off both ends of an element's text, but not of an attribute's; where blanks belong to the
    values, say False. A cell equal to (one of) `null` is then null, as is xsi:nil.
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
                    f"Xml: fields[{name!r}]={path!r} is not understood. Write one such as @id, address/city, "
                    "tag[], value[@kind='in'] or ../@id."
                )
        choices([self._steps(path.removesuffix("[]")) for path in (self.record, *self.fields.values())])

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
            limit = Limit(path, self.max_expansion)
            staged = self._staged(found, names, len(expected), extras, encoding, limit)
            return stage(staged, expected, scratch, extras, limit=limit)
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
        steps = self._steps(path.removesuffix("[]"))
        return "" if path == "." or steps.rpartition(STEP)[2].startswith("@") else f"{self._shown(steps)}/"

    def _hide(self, root: Any, path: str, hide: Callable[[str], str]) -> None:
        *steps, last = path.removesuffix("[]").split(STEP)
        # by which it is chosen is in its path, and no value of it
        chosen = [_clark(attribute) for attribute in last.split(CHOICE)[1:2]]
        is_attribute, is_own = last.startswith("@"), last == "."
        elements = [root]
        for step in steps if is_attribute or is_own else [*steps, last]:
            elements = [child for element in elements for child in element if _is_at(child, step)]
        for element in elements:
            if is_attribute:
                self._hide_attributes(element, [_clark(last[1:])], hide)
                continue
            for part in [element] if is_own else element.iter():
                self._hide_text(part, hide)
                if not is_own:
                    own = chosen if part is element else []
                    self._hide_attributes(part, [name for name in part.attrib if name not in own], hide)

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
        names = Names(path, places, self._above)
        return records(path, text, tuple(self._steps(self.record).split(STEP)), names, self.max_record_bytes)

    @property
    def _above(self) -> dict[str, tuple[int, str]]:
        """The attributes of elements around a record: how many up, and what it is there, by its name within it."""
        found: dict[str, tuple[int, str]] = {}
        for path in self.fields.values():
            if match := _ABOVE.fullmatch(path):
                up, attribute = match[1].count("/"), self._step(match[2])[1:]
                if up > self.record.count("/"):
                    raise ContractError(
                        f"Xml(record={self.record!r}): path {path!r} leads above the root. Take a ../ out."
                    )
                if (up, attribute) not in found.values():
                    local = attribute.rpartition(SPACE)[2]
                    same = sum(
                        place[0] == up and place[1].rpartition(SPACE)[2] == local for place in found.values()
                    )
                    found[f"{ABOVE}{SPACE}up{up}{f'-{same}' if same else ''}.{local}"] = up, attribute
        return found

    def _path(self, column: str) -> str:
        """Return the path of a column; empty if its name is not that of an element, and `fields` has no other."""
        return self.fields.get(column, column if re.fullmatch(_PLAIN, column) else "")

    def _steps(self, path: str) -> str:
        """Return a path with every name as the parser says it, with its namespace."""
        if match := _ABOVE.fullmatch(path):
            wanted = match[1].count("/"), self._step(match[2])[1:]
            return "@" + next(name for name, place in self._above.items() if place == wanted)
        return STEP.join(map(self._step, _STEPS.findall(path)))

    def _step(self, step: str) -> str:
        if match := _CHOSEN.fullmatch(step):
            return CHOICE.join((self._step(match[1]), self._step(match[2])[1:], match[4]))
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
        self,
        found: Iterator[Found],
        names: Sequence[str],
        width: int,
        extras: Extras,
        encoding: str,
        limit: Limit,
    ) -> Iterator[StagedRecord]:
        is_repeated = bool(self._above)
        for record in found:
            if is_repeated:
                # the text of each repeats what is around it
                limit.take(len(record.content))
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
            parts = []
            for part in step.split(CHOICE)[:2]:
                uri, space, name = part.removeprefix("@").rpartition(SPACE)
                parts.append((prefixes.get(uri, f"{{{uri}}}") if space else "") + name)
            chosen = f"[@{parts[1]}={step.split(CHOICE)[2]!r}]" if len(parts) > 1 else ""
            steps.append("@" * step.startswith("@") + parts[0] + chosen)
        return "/".join(steps)


@dataclass(frozen=True, kw_only=True)
class _XmlRecords(Xml):
    """The texts of records, one after another."""

    def _found(self, path: Path, text: Path, places: Mapping[str, tuple[int, bool]]) -> Iterator[Found]:
        steps = (ROOT, self._steps(self.record).split(STEP)[-1])
        return records(path, text, steps, Names(path, places, {}), self.max_record_bytes)


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


def _is_at(element: Any, step: str) -> bool:
    """Return whether an element is the one of a step."""
    name, *chosen = step.split(CHOICE)
    return element.tag == _clark(name) and (not chosen or element.get(_clark(chosen[0])) == chosen[1])


def _clark(step: str) -> str:
    uri, _, name = step.rpartition(SPACE)
    return f"{{{uri}}}{name}" if uri else name
