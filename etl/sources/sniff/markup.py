"""A draft from XML: which elements are the records, and where in them the columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

from etl.errors import ConfigError
from etl.sources.columns import is_own_column
from etl.sources.sniff import names
from etl.sources.sniff.columns import column
from etl.sources.sniff.notation import Notation, cells_of
from etl.sources.sniff.records import Quoted
from etl.sources.sniff.render import Draft
from etl.sources.sniff.sample import SAMPLE_RECORDS, Sample

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
#: A word that tells elements apart, and how a step says it.
_WORD = re.compile(r"[^\W\d][\w.-]*")
_CHOICE = re.compile(r"\[@.*='(.*)'\]")
_MOST_WORDS = 50
#: By where elements are in a record, the attribute that tells them apart.
_Chosen = dict[tuple[str, ...], str]


@dataclass
class _Tree:
    """The whole elements of a document that may be cut off, by their paths, and the prefixes of namespaces."""

    found: dict[tuple[str, ...], list[ElementTree.Element]] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)
    parents: dict[ElementTree.Element, ElementTree.Element] = field(default_factory=dict)


def drafts(sample: Sample) -> Iterator[Draft]:
    """Yield drafts of an XML file: of the outermost elements that are repeated, then of those within."""
    if b"<!DOCTYPE" in sample.content[:10_000]:
        raise ConfigError(
            f"{sample.path} has a document type, which is never read. Have it delivered without one."
        )
    tree = _parsed(sample)
    for path in _candidates(tree):
        yield _draft(sample, tree, path)


def _parsed(sample: Sample) -> _Tree:
    tree = _Tree()
    steps: list[str] = []
    around: list[ElementTree.Element] = []
    parser: Any = ElementTree.XMLPullParser(["start", "end", "start-ns"])
    try:
        parser.feed(sample.content)
        if sample.is_whole:
            parser.close()
    except ElementTree.ParseError as error:
        if not tree.found and sample.is_whole and not _has_events(parser, tree, steps, around):
            raise ConfigError(f"{sample.path} is not XML: {error}. Have it delivered again.") from error
    _has_events(parser, tree, steps, around)
    return tree


def _has_events(parser: Any, tree: _Tree, steps: list[str], around: list[ElementTree.Element]) -> bool:
    """Take what was parsed so far; return whether there is any element."""
    try:
        for event, item in parser.read_events():
            if event == "start-ns":
                prefix, uri = item
                tree.prefixes.setdefault(uri, prefix)
            elif event == "start":
                steps.append(item.tag)
                tree.parents |= {item: around[-1]} if around else {}
                around.append(item)
            else:
                tree.found.setdefault(tuple(steps), []).append(item)
                steps.pop()
                around.pop()
    except ElementTree.ParseError:
        pass
    return bool(tree.found)


def _candidates(tree: _Tree) -> list[tuple[str, ...]]:
    """Return paths of elements with parts, the outermost repeated ones first; of none repeated, the root's own."""
    parted = {path: all_ for path, all_ in tree.found.items() if any(len(e) or e.attrib for e in all_)}
    repeated = [path for path, all_ in parted.items() if len(all_) > 1]
    if not repeated:
        texts = {path: all_ for path, all_ in tree.found.items() if len(all_) > 1}
        repeated = list(texts) or [path for path in parted if len(path) > 1] or list(tree.found)
    first, *others = sorted(
        repeated, key=lambda path: (not _is_record(tree, path), len(path), -len(tree.found[path]))
    )
    # what is within a record is a part of one
    return [first, *(path for path in others if path[: len(first)] != first)]


def _is_record(tree: _Tree, path: tuple[str, ...]) -> bool:
    """Return whether elements have values of their own, as those of a mere group have not."""
    return any(not len(element) or any(not len(child) for child in element) for element in tree.found[path])


def _draft(sample: Sample, tree: _Tree, path: tuple[str, ...]) -> Draft:
    records = tree.found[path][:SAMPLE_RECORDS]
    chosen = _chosen(records)
    cells = [[*_around(record, tree), *_cells(record, chosen)] for record in records]
    many = {place for found in cells for place, number in Counter(p for p, _ in found).items() if number > 1}
    places = list(dict.fromkeys(place for found in cells for place, _ in found))
    # a list of attributes has no path
    unnamed = [place for place in places if place in many and place[-1].startswith("@")]
    places = [place for place in places if place not in unnamed]
    used = _Names(tree.prefixes)
    written = {place: used.path(place) + "[]" * (place in many) for place in places}
    named = names.distinct([_name(place, places, path) for place in places])
    columns = []
    for index, (name, place) in enumerate(zip(named, places, strict=True)):
        texts = [[text for where, text in found if where == place] for found in cells]
        if place in many:
            lists = ["" if not found else Quoted("[...]") for found in texts]
            columns.append(column(name, cells_of(lists), Notation(), is_first=False))
        else:
            columns.append(
                column(name, cells_of(found[0] if found else "" for found in texts), Notation(), index == 0)
            )
    fields = {name: written[place] for name, place in zip(named, places, strict=True) if written[place] != name}
    options: dict[str, object] = {"record": used.path(path)}
    options |= {"fields": fields} if fields else {}
    options |= {"namespaces": used.namespaces} if used.namespaces else {}
    return Draft(
        path=sample.path,
        columns=tuple(columns),
        format="Xml",
        options=options,
        records=len(records),
        is_whole=sample.is_whole,
        source={"extra": "keep"} if unnamed else {},
        notes=tuple(
            f"{written[place]} may be there several times: JSON text." for place in places if place in many
        ),
    )


class _Names:
    """Names as paths write them, and the prefixes that these need."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self._prefixes = prefixes
        self.namespaces: dict[str, str] = {}

    def path(self, steps: tuple[str, ...]) -> str:
        return "/".join(map(self._step, steps))

    def _step(self, step: str) -> str:
        at, name = ("@", step[1:]) if step.startswith("@") else ("", step)
        if not name.startswith("{"):
            return step
        uri, _, local = name[1:].partition("}")
        if uri == "http://www.w3.org/XML/1998/namespace":
            return f"{at}xml:{local}"
        prefix = self._prefixes.get(uri, "")
        if at and not prefix:
            prefix = "own"
        self.namespaces[prefix] = uri
        return f"{at}{prefix}:{local}" if prefix else f"{at}{local}"


def _cells(record: ElementTree.Element, chosen: _Chosen) -> list[tuple[tuple[str, ...], str]]:
    """Return the places of a record with a text, as often as they occur; null ones are empty."""
    found: list[tuple[tuple[str, ...], str]] = []
    _walk(record, (), found, chosen)
    return found


def _walk(
    element: ElementTree.Element, above: tuple[str, ...], found: list[tuple[tuple[str, ...], str]], chosen: _Chosen
) -> None:
    by = chosen.get(tuple(step.partition("[")[0] for step in above), "")
    for name, value in element.attrib.items():
        if not name.startswith(_XSI) and name != by:
            found.append(((*above, f"@{name}"), value))
    text = "".join([element.text or "", *(child.tail or "" for child in element)]).strip(" \t\r\n")
    is_leaf = not len(element)
    if text or (is_leaf and above):
        found.append((above or (".",), text))
    for child in element:
        step = child.tag
        if told := chosen.get((*(each.partition("[")[0] for each in above), child.tag)):
            step += f"[@{told}='{child.get(told)}']"
        _walk(child, (*above, step), found, chosen)


def _chosen(records: Sequence[ElementTree.Element]) -> _Chosen:
    """Return by which attribute elements are told apart that a record has several of, one of each word."""
    seen: dict[tuple[str, ...], list[list[dict[str, str]]]] = {}
    for record in records:
        _gather(record, (), seen)
    found = {}
    for place, groups in seen.items():
        names = {name for group in groups for attributes in group for name in attributes}
        is_several = any(len(group) > 1 for group in groups)
        if by := next((name for name in sorted(names) if is_several and _is_choice(name, groups)), ""):
            found[place] = by
    return found


def _gather(
    element: ElementTree.Element, above: tuple[str, ...], seen: dict[tuple[str, ...], list[list[dict[str, str]]]]
) -> None:
    groups: dict[str, list[dict[str, str]]] = {}
    for child in element:
        groups.setdefault(child.tag, []).append(child.attrib)
        _gather(child, (*above, child.tag), seen)
    for tag, group in groups.items():
        seen.setdefault((*above, tag), []).append(group)


def _is_choice(name: str, groups: Sequence[Sequence[Mapping[str, str]]]) -> bool:
    """Return whether an attribute is a word that no two elements beside each other share, and most groups have."""
    words = [[attributes.get(name, "") for attributes in group] for group in groups]
    every = Counter(word for group in words for word in group)
    return (
        all(map(_WORD.fullmatch, every))
        and all(len(set(group)) == len(group) for group in words)
        and len(every) <= _MOST_WORDS
        and min(every.values()) * 2 >= len(groups)
        and not name.startswith("{")
    )


def _around(record: ElementTree.Element, tree: _Tree) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the attributes of the elements around a record."""
    up, element = 1, tree.parents.get(record)
    while element is not None:
        for name, value in element.attrib.items():
            if not name.startswith(_XSI):
                yield (*[".."] * up, f"@{name}"), value
        up, element = up + 1, tree.parents.get(element)


def _name(place: tuple[str, ...], places: list[tuple[str, ...]], path: tuple[str, ...]) -> str:
    """Return a name for a column: that of its element or attribute, behind those above if others are called so."""
    if place[0] == "..":
        return f"{_local(path[-len(place)])}_{_local(place[-1])}"
    local = [_local(step) for step in place]
    if place == (".",):
        return "value"
    lone = sum(_local(other[-1]) == local[-1] for other in places) == 1
    name = local[-1] if lone else "_".join(local)
    return f"{name.lstrip('_')}_" if is_own_column(name) else name


def _local(step: str) -> str:
    """Return the name of a step without its namespace, behind it the word by which it is chosen."""
    return _CHOICE.sub(r"_\1", step.removeprefix("@").rpartition("}")[2])
