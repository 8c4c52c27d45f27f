"""One JSON document whose records lie in an array: found one by one, in bounded memory, as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from etl.errors import UnreadableError
from etl.sources.formats.json_cursor import Cursor, Element
from etl.sources.formats.json_structure import Around, Structure, keyed
from etl.sources.formats.json_values import Malformed, dumped

#: What a value is, by its first character.
_KINDS = {"n": "null", "t": "true", "f": "false", '"': "a text", "{": "an object", "[": "an array", "": "missing"}


def elements(
    text: Path, where: Structure, largest: int, *, several: bool = False, nan: bool = False
) -> Iterator[Element]:
    """Yield the records of a document, or of `several` one after another, and what belongs to no record.

    Raises UnreadableError if a document has no place for them.
    """
    around: list[Around] = []
    if where.wanted:
        # what stands below the records is beside them too
        found = _found(text, where, largest, several, nan)
        around = [tuple(document.around) for document, element in found if element is None]
    number, is_plain = 0, where.is_plain
    for document, element in _found(text, where, largest, several, nan):
        if element is None:
            number += 1
        elif is_plain or element.problem or not is_text(element.text):
            yield element
        else:
            yield from _records(element, where, around[number] if around else tuple(document.around))


def is_text(text: str) -> bool:
    """Return whether no surrogate in a text stands for a byte that is not one."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def sequence(text: Path, largest: int, nan: bool = False) -> Iterator[Element]:
    """Yield values that only space lies between; a malformed one ends at the end of its line."""
    with text.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        cursor = Cursor(file=file, largest=largest, is_lines=True, nan=nan)
        while cursor.peek():
            yield cursor.element()


def _records(element: Element, where: Structure, around: Around) -> Iterator[Element]:
    """Yield the records within an element of an array; if one cannot be told, the element is broken as a whole."""
    try:
        dumped(element.value)  # what is within it is nested no deeper
        found = list(where.records(element.value, around))
    except (Malformed, RecursionError) as error:
        problem = str(error) if isinstance(error, Malformed) else "it is nested too deeply"
        yield element._replace(value=None, problem=problem)
        return
    # one text after another: each repeats what is above it
    for record in found:
        yield Element(element.line, dumped(record), record)


def _found(
    text: Path, where: Structure, largest: int, several: bool, nan: bool
) -> Iterator[tuple[_Document, Element | None]]:
    """Yield what each document has at its keys, and None at its end."""
    with text.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        cursor = Cursor(file=file, largest=largest, nan=nan)
        while True:
            document = _Document(cursor, where)
            for element in document.inside(where.outer):
                yield document, element
            if not document.is_settled:
                raise UnreadableError(document.missing(text))
            yield document, None
            if not several or not cursor.peek():
                break
        for element in cursor.rest("it stands after the end of the document"):
            yield document, element


class _Document:
    def __init__(self, cursor: Cursor, where: Structure) -> None:
        self._cursor = cursor
        self._keys = where.outer
        self._wanted = where.wanted
        self._instead = where.instead
        self._keyed = where.keyed if where.inner is None else ""
        self._seen: list[str] = []
        self._is_over = False
        #: What stands where the array, or an object on the way to it, belongs, and what to do.
        self._refused = self._advice = ""
        self._is_found = False
        #: What the objects on the way to the array hold beside it, as far as it is wanted.
        self.around: list[dict[str, Any]] = [{} for _ in self._keys]

    def inside(self, keys: tuple[str, ...]) -> Iterator[Element]:
        """Yield the records of the value at the cursor."""
        cursor = self._cursor
        char = cursor.peek()
        if self._is_found and not keys:
            yield from self._over(f"the records at {'.'.join(self._keys)} appear twice")
        elif keys and cursor.take("{"):
            yield from self._object(keys)
        elif not keys and self._keyed and cursor.take("{"):
            self._is_found = True
            yield from self._members()
        elif not keys and not self._keyed and cursor.take("["):
            self._is_found = True
            yield from self._array()
        elif not keys and char == "{" and "object" in self._instead:
            self._is_found = True
            yield cursor.element()
        elif char == "n" and "null" in self._instead and self._keys:
            element = cursor.element()
            self._is_found = not element.problem
            self._is_over = bool(element.problem)
        elif not keys and self._keyed and self._is_empty_array():
            self._is_found = True
        else:
            self._refuse(keys, char)

    @property
    def is_settled(self) -> bool:
        """Whether the array was there, or may be missing where nothing is malformed."""
        may_lack = bool(self._keys) and "missing" in self._instead and not self._is_over and not self._refused
        return self._is_found or may_lack

    def missing(self, text: Path) -> str:
        """Return what to say of a document without the array."""
        if self._keys and self._refused:
            return f"{text}: {self._refused}. {self._advice}."
        if self._keys:
            seen = ", ".join(self._seen[:20]) or "none"
            return f"{text} holds no array at {'.'.join(self._keys)}; the keys found are: {seen}."
        if self._keyed:
            return f"{text} is not a JSON object of records. If one of its keys has them, write records='its.key'."
        return f"{text} is not a JSON array. If the records are in an array of an object, write records='its.key'."

    def _refuse(self, keys: tuple[str, ...], char: str) -> None:
        passed = self._keys[: len(self._keys) - len(keys)]
        what = _KINDS.get(char, "a number")
        wanted = "an object" if keys else "an object of records" if self._keyed else "an array of records"
        advice = "Ask for an empty array, [], on a day without records"
        if keys and char == "[":
            path = f"{'.'.join(passed)}[].{'.'.join(keys)}"
            advice = f"If each of its elements has records, write records={path!r}"
        elif char == "[":
            advice = "If its elements are the records, take keyed= out"
        elif char == "n":
            advice += ", or write records_or='null'"
        elif not keys and char == "{":
            advice = "If it is one record, write records_or='object'; if each of its keys has one, write keyed="
        self._refused = f"{'.'.join(passed) or 'the document'} is {what}, not {wanted}"
        self._advice = advice

    def _is_empty_array(self) -> bool:
        """Step over an array with nothing in it: many senders write an empty object so."""
        return self._cursor.take("[") and self._cursor.take("]")

    def _key(self, is_first: bool) -> tuple[Element | None, bool]:
        """Step over a key and its colon; return what was taken for the key, and whether both are there."""
        cursor = self._cursor
        is_there = (is_first or cursor.take(",")) and cursor.peek() == '"'
        key = cursor.element() if is_there else None
        return key, key is not None and not key.problem and cursor.take(":")

    def _members(self) -> Iterator[Element]:
        cursor = self._cursor
        is_first = True
        while not self._is_over and not cursor.take("}"):
            key, is_sound = self._key(is_first)
            is_first = False
            if key is None or not is_sound:
                yield from self._over("it is not JSON", key)
                return
            value = cursor.element()
            text, problem, record = f"{key.text}:{value.text}", value.problem, None
            if not problem:
                try:
                    record = keyed(key.value, value.value, self._keyed)
                    text = dumped(record)
                except Malformed as error:
                    problem = str(error)
            yield Element(key.line, text, record, problem)
            if not cursor.peek():
                yield from self._over("" if problem else "the file ends within the object")

    def _array(self) -> Iterator[Element]:
        cursor = self._cursor
        problem = ""
        while not cursor.take("]"):
            element = cursor.element()
            yield element._replace(problem=element.problem or problem)
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
            key, is_sound = self._key(is_first)
            is_first = False
            if key is None or not is_sound:
                yield from self._over("it is not JSON", key)
                return
            self._seen.append(key.value)
            if key.value == keys[0]:
                yield from self.inside(keys[1:])
            elif (value := cursor.element()).problem:
                yield from self._over(value.problem, value)
            elif key.value in self._wanted:
                around = self.around[len(self._keys) - len(keys)]
                if key.value in around:
                    yield from self._over(f"key {key.value!r} appears twice in one object", value)
                around[key.value] = value.value

    def _over(self, problem: str, taken: Element | None = None) -> Iterator[Element]:
        """Yield what is left as broken, once; at least one record, so that a file cut short is not sound."""
        if self._is_found and not self._is_over and problem:
            is_end = not self._cursor.peek()
            if taken:
                yield taken._replace(problem=problem)
            elif is_end:
                yield Element(self._cursor.line, "", None, "the file ends too early")
            yield from self._cursor.rest(problem)
        self._is_over = True
