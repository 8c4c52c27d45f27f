"""Where the records of a JSON document are, and what of the objects around them is beside each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from etl.errors import ContractError
from etl.sources.formats.json_paths import kind_of, parse_path, part
from etl.sources.formats.json_values import Malformed, dumped

_STEP = re.compile(r'(?:^|\.)([^.\[\]"]+)|(\[\])|\["((?:[^"\\]|\\.)*)"\]')
_PARENT = re.compile(r"((?:\.\./)+)(.+)", re.DOTALL)
#: What may stand in the place of an array of records.
INSTEAD = ("null", "missing", "object")
#: Objects around a record, from the document on.
Around = tuple[Mapping[str, Any], ...]


class Structure(NamedTuple):
    """Where records are: an array at the keys `outer` of the document, or further within each of its elements."""

    outer: tuple[str, ...] = ()
    #: The steps from an element of that array to an array of records, None for each element; or no steps at all.
    inner: tuple[str | None, ...] | None = None
    #: The name of each record's key, if they are in an object rather than an array.
    keyed: str = ""
    #: What may stand in the place of the array.
    instead: frozenset[str] = frozenset()
    #: By how a path is written that leads above a record: how many objects up, and the steps from there.
    above: Mapping[str, tuple[int, tuple[str | int, ...]]] = {}

    @property
    def wanted(self) -> frozenset[str]:
        """The keys that are needed of the objects around the outer array."""
        inner = sum(step is not None for step in self.inner or ())
        return frozenset(str(steps[0]) for up, steps in self.above.values() if up > inner)

    @property
    def is_plain(self) -> bool:
        """Whether an element of the outer array is a record as it is written."""
        return self.inner is None and not self.above

    def records(self, value: Any, around: Around) -> Iterator[Any]:
        """Yield the records of an element of the outer array, each with what is beside it. Raises Malformed."""
        found: Iterator[tuple[Any, Around]] = iter([(value, around)])
        if self.inner is not None:
            found = self._within(value, self.inner, around, "")
        for record, over in found:
            yield self._beside(record, over)

    def _within(
        self, value: Any, steps: Sequence[str | None], around: Around, where: str
    ) -> Iterator[tuple[Any, Around]]:
        if not steps:
            yield from ((record, around) for record in self._listed(value, where))
        elif (step := steps[0]) is None:
            for item in self._array(value, where):
                yield from self._within(item, steps[1:], around, f"{where}[]")
        elif not isinstance(value, dict):
            raise Malformed(f"{where or 'it'} is {kind_of(value)}, not an object")
        elif step in value:
            path = f"{where}.{step}" if where else step
            if value[step] is not None or "null" not in self.instead:
                yield from self._within(value[step], steps[1:], (*around, value), path)
        elif "missing" not in self.instead:
            raise Malformed(f"{where or 'it'} has no key {step!r}")

    def _listed(self, value: Any, where: str) -> Sequence[Any]:
        if self.keyed and isinstance(value, dict):
            return [keyed(key, record, self.keyed) for key, record in value.items()]
        if isinstance(value, dict) and "object" in self.instead:
            return [value]
        if self.keyed and value:
            raise Malformed(f"{where or 'it'} is {kind_of(value)}, not an object of records")
        return self._array(value, where)

    def _array(self, value: Any, where: str) -> Sequence[Any]:
        if value is None and "null" in self.instead:
            return ()
        if not isinstance(value, list):
            raise Malformed(f"{where or 'it'} is {kind_of(value)}, not an array of records")
        return value

    def _beside(self, record: Any, around: Around) -> Any:
        """Return a record with the values above it, each under the path that leads there."""
        if not self.above or not isinstance(record, dict):
            return record
        found = {}
        for path, (up, steps) in self.above.items():
            if path in record:
                raise Malformed(f"it has a key {path!r} of its own")
            value: Any = around[-up]
            for step in steps:
                value = part(value, step)
            if value is not None:
                found[path] = value
        return {**record, **found}


def keyed(key: str, record: Any, name: str) -> Any:
    """Return a record with its key under a name. Raises Malformed if it has another value there."""
    if not isinstance(record, dict):
        raise Malformed(f"at {key!r} is {kind_of(record)}, not an object")
    own = record.get(name, key)
    if not (own == key or dumped(own) == key):
        raise Malformed(f"its key is {key!r}, but its {name!r} is {dumped(own)}")
    return {name: key, **record}


def structure(records: str, paths: Mapping[str, str], keyed: str, instead: Sequence[str]) -> Structure:
    """Return what options say of where records are. Raises ContractError for a path that is not one."""
    steps = _steps(records)
    at = steps.index(None) if None in steps else len(steps)
    outer = tuple(step for step in steps[:at] if step is not None)
    inner = steps[at + 1 :] if at < len(steps) else None
    above = {}
    for name, path in paths.items():
        if match := _PARENT.fullmatch(path):
            up = match[1].count("/")
            if up > sum(step is not None for step in steps):
                raise ContractError(
                    f"Json(records={records!r}): path {path!r} of {name!r} leads above the document. Take a "
                    "../ out."
                )
            above[path] = up, parse_path(match[2])
    return Structure(outer, inner, keyed, frozenset(instead), above)


def is_above(path: str) -> bool:
    """Return whether a path leads above its record."""
    return path.startswith("../")


def _steps(text: str) -> tuple[str | None, ...]:
    steps: list[str | None] = []
    position = 0
    while match := _STEP.match(text, position):
        key, each, quoted = match.groups()
        steps.append(None if each else key if key else re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
    if position < len(text):
        raise ContractError(
            f"Json(records={text!r}) is not a path of keys, such as data.items. The items of every order are at "
            "orders[].items."
        )
    return tuple(steps)
