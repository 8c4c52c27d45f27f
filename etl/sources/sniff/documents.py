"""Drafts from JSON: where the records are, and where in them the columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from etl.errors import ConfigError
from etl.sources.columns import is_own_column
from etl.sources.formats.debezium import ABOUT, Debezium
from etl.sources.formats.envelopes import POSITIONS, payload
from etl.sources.formats.json_values import Malformed, Number
from etl.sources.sniff import names
from etl.sources.sniff.columns import Column, column
from etl.sources.sniff.notation import Notation, cells_of
from etl.sources.sniff.oddities import of_text
from etl.sources.sniff.records import Quoted
from etl.sources.sniff.render import Draft
from etl.sources.sniff.sample import SAMPLE_RECORDS, Kind, Sample, decode

#: Objects with more keys than these, or deeper in a record, have keys that are data.
_MOST_KEYS = 50
_DEEPEST = 4
_PLAIN_KEY = re.compile(r'[^.\[\]"]+')
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)


class _NoNumber(str):
    """NaN or an infinity, which some programs write."""

    __slots__ = ()


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_NoNumber)


@dataclass
class _Values:
    """What records hold at one place; `inner` are the places within, if it is an object wherever it is."""

    found: list[Any] = field(default_factory=list)
    inner: dict[str, _Values] = field(default_factory=dict)

    @property
    def has_parts(self) -> bool:
        objects = [value for value in self.found if value is not None]
        return bool(self.inner) and all(isinstance(value, dict) for value in objects)


def drafts(sample: Sample) -> Iterator[Draft]:
    """Yield the drafts of JSON lines, or of a document: of its largest array of objects first."""
    text = decode(sample)
    options = {"encoding": text.encoding} if text.encoding else {}
    if sample.kind == Kind.JSON_LINES:
        records = list(islice(_lines(text.text), SAMPLE_RECORDS))
        if rows := _changes(records):
            yield _draft(sample, "Debezium", "", rows, options)
            return
        if not sample.is_whole or any(isinstance(record, dict) for record in records):
            yield _draft(sample, "JsonLines", "", records, options)
            return
    documents = _documents(sample, text.text) if sample.is_whole else []
    if len(documents) == 1 and (rows := _changes(documents)):
        yield _draft(sample, "Debezium", "", rows, options)
        return
    if len(documents) > 1:
        yield from _of_several(sample, documents, options)
        return
    found = False
    for path, records in _arrays(documents, text.text):
        found = True
        yield _draft(sample, "Json", path, records, options)
    for given, records in _others(documents[0] if documents else None):
        found = True
        yield _draft(sample, "Json", "", records, {**given, **options})
    if found:
        return
    lines = list(_lines(text.text)) if sample.is_whole else []
    if len(lines) != 1 or not isinstance(lines[0], dict):
        raise ConfigError(f"{sample.path} holds no array of objects. Have its records delivered as one.")
    yield _draft(sample, "JsonLines", "", lines, options)


def _of_several(sample: Sample, documents: Sequence[Any], options: Mapping[str, object]) -> Iterator[Draft]:
    """Yield the drafts of documents one after another: of an array that all of them have, or of objects."""
    arrays = [dict(_within(document, ())) for document in documents]
    for steps in arrays[0]:
        if all(steps in each for each in arrays):
            records = [record for each in arrays for record in each[steps]]
            yield _draft(sample, "Json", ".".join(steps), records, {"concatenated": True, **options})
    yield _draft(sample, "JsonLines", "", documents[:SAMPLE_RECORDS], {"concatenated": True, **options})


def _others(document: Any) -> Iterator[tuple[dict[str, object], list[Any]]]:
    """Yield the options and the records of a document without an array of objects: rows, or objects by key."""
    if isinstance(document, list) and len(document) > 1 and all(isinstance(row, list) for row in document):
        head, *rows = document
        if head and all(type(name) is str for name in head) and len(set(head)) == len(head):
            whole = [row for row in rows[:SAMPLE_RECORDS] if len(row) == len(head)]
            yield {"header": True}, [dict(zip(head, row, strict=True)) for row in whole]
    if isinstance(document, dict):
        for path, found in _objects(document, ()):
            name = names.free("key", {key.lower() for record in found.values() for key in record})
            records = [{name: key, **record} for key, record in islice(found.items(), SAMPLE_RECORDS)]
            yield {**({"records": path} if path else {}), "keyed": name}, records


def _objects(value: Any, steps: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where objects are that have a record for each of their keys, with these."""
    if not isinstance(value, dict) or len(steps) >= _DEEPEST:
        return
    if _is_keyed(value):
        yield ".".join(steps), value
        return
    for key, item in value.items():
        if _PLAIN_KEY.fullmatch(key):
            yield from _objects(item, (*steps, key))


def _draft(sample: Sample, format: str, path: str, records: Sequence[Any], options: Mapping[str, object]) -> Draft:
    objects = [item for item in records if isinstance(item, dict)]
    if not objects:
        raise ConfigError(
            f"{sample.path} is {sample.kind.value} but holds no objects with keys. Have records delivered as "
            "objects, one a line or in one array."
        )
    given: dict[str, object] = {"records": path} if path else {}
    if constants := set(_constants(objects)):
        given |= {"nan": True, **({"null": "NaN"} if "NaN" in constants else {})}
    places = list(_places(_gathered(objects), (), 0))
    named = names.distinct([_name(steps) for steps, _ in places])
    columns = [
        _column(name, values, len(objects), index == 0)
        for index, (name, (_, values)) in enumerate(zip(named, places, strict=True))
    ]
    paths = {name: _path(steps) for name, (steps, _) in zip(named, places, strict=True) if steps != (name,)}
    if options.get("header"):
        # its names are the columns, whatever is in them
        paths = {}
    return Draft(
        path=sample.path,
        columns=tuple(columns),
        format=format,
        options={**given, **({"paths": paths} if paths else {}), **options},
        records=len(records),
        is_whole=sample.is_whole and len(records) < SAMPLE_RECORDS,
        notes=tuple(_within_records(path, format, places)),
        oddities=tuple(of_text(sample)),
    )


def _within_records(path: str, format: str, places: Sequence[tuple[tuple[str, ...], _Values]]) -> Iterator[str]:
    """Yield how records within those of a document are read, where there are some."""
    for steps, values in places if format == "Json" else ():
        lists = [value for value in values.found if isinstance(value, list)]
        if any(isinstance(item, dict) for value in lists for item in value) and len(steps) == 1:
            inner = f"{path}[].{_path(steps)}"
            yield f"Another source can read the records in {steps[0]} beside what is around them: {inner}."


def _constants(value: Any) -> Iterator[str]:
    """Yield what is written in the place of a number that is none."""
    if isinstance(value, _NoNumber):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _constants(item)


def _lines(text: str) -> Iterator[Any]:
    for line in text.split("\n"):
        try:
            if line.strip():
                yield _DECODER.decode(line)
        except ValueError:
            continue  # for quarantine: one bad line says nothing of the others


def _changes(records: Sequence[Any]) -> list[dict[str, Any]]:
    """Return the rows that changes of Debezium tell; none if a record is not such a change."""
    try:
        told = [(value, envelope) for value in records if (envelope := payload(value)) is not None]
    except Malformed:
        return []
    rows = []
    for value, envelope in told if all({"before", "after"} <= envelope.keys() for _, envelope in told) else ():
        source = envelope.get("source")
        is_known = isinstance(source, dict) and source.get("connector") in POSITIONS
        with suppress(Malformed):  # for quarantine
            rows.append(Debezium().row(value, envelope, ABOUT[:3] if is_known else ()))
    return rows


def _documents(sample: Sample, text: str) -> list[Any]:
    """Return the document of a text, or those that follow one another."""
    found: list[Any] = []
    position = 0
    try:
        while (position := len(text) - len(text[position:].lstrip())) < len(text) and len(found) < SAMPLE_RECORDS:
            document, position = _DECODER.raw_decode(text, position)
            found.append(document)
    except ValueError as error:
        raise ConfigError(f"{sample.path} is not JSON: {error}. Have it delivered again.") from error
    except RecursionError as error:
        raise ConfigError(f"{sample.path} is nested too deeply. Have it delivered otherwise.") from error
    return found


def _arrays(documents: Sequence[Any], text: str) -> Iterator[tuple[str, list[Any]]]:
    """Yield the path of each array of objects with its elements, the one with the most first."""
    found = list(_within(documents[0], ())) if documents else [_first_array(text)]
    for steps, elements in sorted(found, key=lambda item: -len(item[1])):
        yield ".".join(steps), elements[:SAMPLE_RECORDS]


def _is_keyed(document: Mapping[str, Any]) -> bool:
    """Return whether an object has a record for each of its keys: several, with a key in common."""
    records = [value for value in document.values() if isinstance(value, dict)]
    return len(records) == len(document) > 1 and bool(set.intersection(*map(set, records)))


def _within(value: Any, steps: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    if isinstance(value, list):
        if any(isinstance(item, dict) for item in value):
            yield steps, value
    elif isinstance(value, dict) and len(steps) < _DEEPEST:
        for key, item in value.items():
            if _PLAIN_KEY.fullmatch(key):
                yield from _within(item, (*steps, key))


def _first_array(text: str) -> tuple[tuple[str, ...], list[Any]]:
    """Return where a cut off text has its first array of objects, and those of its elements that are whole."""
    keys: list[str] = []
    opened: list[str] = []
    last = ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "{" and opened and opened[-1] == "[":
            return tuple(key for key in keys if key), list(_elements(text, match.start()))
        if token in "[{":
            opened.append(token)
            keys.append(last if token in "[{" else "")
            last = ""
        elif token in "]}":
            opened.pop()
            keys.pop()
        elif token == ":":
            continue
        elif token == ",":
            last = ""
        elif token.startswith('"'):
            last = json.loads(token)
    return (), []


def _elements(text: str, position: int) -> Iterator[Any]:
    while True:
        try:
            item, position = _DECODER.raw_decode(text, position)
        except ValueError:
            return
        yield item
        gap = re.compile(r"[\s,]*").match(text, position)
        position = gap.end() if gap else position


def _gathered(objects: Sequence[Mapping[str, Any]]) -> dict[str, _Values]:
    found: dict[str, _Values] = {}
    for item in objects:
        for key, value in item.items():
            found.setdefault(key, _Values()).found.append(value)
    for values in found.values():
        inner = [value for value in values.found if isinstance(value, dict)]
        keys = {key for value in inner for key in value}
        if inner and 0 < len(keys) <= _MOST_KEYS:
            values.inner = _gathered(inner)
    return found


def _places(
    found: Mapping[str, _Values], above: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], _Values]]:
    """Yield the steps to each column: to what is no object, or to objects whose keys are data."""
    for key, values in found.items():
        if values.has_parts and depth < _DEEPEST:
            yield from _places(values.inner, (*above, key), depth + 1)
        else:
            yield (*above, key), values


def _column(name: str, values: _Values, records: int, is_first: bool) -> Column:
    is_nested = any(isinstance(value, dict | list) for value in values.found)
    missing = [""] * (records - len(values.found))
    found = column(name, cells_of([*map(_text, values.found), *missing]), Notation(), is_first)
    if not is_nested:
        return found
    return Column(
        name=name, annotations=("str", "str"), is_nullable=found.is_nullable, comments=("nested: JSON text",)
    )


def _name(steps: Sequence[str]) -> str:
    name = "_".join(steps) if len(steps) > 1 else steps[0]
    return f"{name.lstrip('_')}_" if is_own_column(name) else name


def _path(steps: Sequence[str]) -> str:
    text = ""
    for step in steps:
        if _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            inner = re.sub(r'(["\\])', r"\\\1", step)
            text += f'["{inner}"]'
    return text


def _text(value: Any) -> str:
    """Return a JSON value as extraction reads it: text, in which nothing but null is null."""
    if value is None or (isinstance(value, _NoNumber) and value == "NaN"):
        return ""
    if isinstance(value, Number):
        return str(value)
    return Quoted(value if isinstance(value, str) else json.dumps(value))
