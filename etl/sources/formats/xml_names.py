"""The names of what is within a record of XML: each path is written once, however often it occurs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from etl.errors import ContractError, UnreadableError

#: Between the steps of a path, between a namespace and a name, and between an element, an attribute and the value
#: by which it is chosen; no XML holds these characters.
STEP, SPACE, CHOICE = "\x1f", "\x1e", "\x1d"
XML = "http://www.w3.org/XML/1998/namespace"
#: What the attributes of XML schemas begin with, which are no values.
SCHEMA = f"http://www.w3.org/2001/XMLSchema-instance{SPACE}"
#: So many characters in all paths of a file that are different; real files have a few thousand.
_MOST_CHARACTERS = 1 << 24


class Name:
    """One element or attribute by its path from the record, its column if it has one, and the names within it.

    `choice` is the attribute by which elements of this name are told apart, and which step is that of each of its
    values; `chosen` is that attribute of an element that was.
    """

    __slots__ = ("attributes", "children", "choice", "chosen", "column", "is_attribute", "is_list", "path")

    def __init__(self, path: str, column: int | None, is_list: bool, is_attribute: bool) -> None:
        self.path = path
        self.column = column
        self.is_list = is_list
        self.is_attribute = is_attribute
        self.children: dict[str, Name] = {}
        self.attributes: dict[str, Name] = {}
        self.choice: tuple[str, dict[str, str]] | None = None
        self.chosen = ""


class Names:
    """All names of a file's records; `columns` are the columns of paths, and whether each is a list.

    `above` are the attributes of elements around a record that it is read with: how many elements up, and its name
    there, by the name that it has in the record.
    """

    def __init__(
        self, file: Path, columns: Mapping[str, tuple[int, bool]], above: Mapping[str, tuple[int, str]]
    ) -> None:
        self.above = above
        self._file, self._columns = file, columns
        self._characters = 0
        self._choices = choices(columns)
        #: The record itself, whose own text has the path ".".
        self.record = self._name("", is_attribute=False)

    def child(self, outer: Name, name: str) -> Name:
        """Return the name of an element within another, which is new."""
        path = f"{outer.path}{STEP}{name}" if outer.path else name
        found = outer.children[name] = self._name(path, is_attribute=False)
        found.choice = self._choices.get((outer.path, name))
        return found

    def chosen(self, outer: Name, name: Name, attributes: Sequence[str]) -> Name:
        """Return the name of an element that has one of the values by which it is chosen; else its plain name."""
        attribute, steps = name.choice or ("", {})
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        step = steps.get(given[attribute]) if attribute in given else None
        if step is None:
            return name
        found = outer.children.get(step) or self.child(outer, step)
        found.chosen = attribute
        return found

    def attribute(self, outer: Name, name: str) -> Name:
        """Return the name of an element's attribute, which is new."""
        path = f"{outer.path}{STEP}@{name}" if outer.path else f"@{name}"
        found = outer.attributes[name] = self._name(path, is_attribute=True)
        return found

    def _name(self, path: str, is_attribute: bool) -> Name:
        self._characters += len(path) + 1
        if self._characters > _MOST_CHARACTERS:
            raise UnreadableError(
                f"{self._file} has too many different names of elements and attributes: all paths together have "
                f"more than {_MOST_CHARACTERS:,} characters. Ask its sender for records with the same few names."
            )
        column, is_list = self._columns.get(path or ".", (None, False))
        return Name(path, column, is_list, is_attribute)


def choices(paths: Iterable[str]) -> dict[tuple[str, str], tuple[str, dict[str, str]]]:
    """Return, by the path above an element and its name, its attribute that chooses, and the step of each value.

    Raises ContractError for an element that is chosen by several attributes: which one counts would be unclear.
    """
    found: dict[tuple[str, str], tuple[str, dict[str, str]]] = {}
    for path in paths:
        steps = path.split(STEP)
        for number, step in enumerate(steps):
            if CHOICE in step:
                name, attribute, value = step.split(CHOICE)
                known = found.setdefault((STEP.join(steps[:number]), name), (attribute, {}))
                if known[0] != attribute:
                    raise ContractError(
                        f"Xml(fields=...): the element {name.rpartition(SPACE)[2]} is chosen by two attributes. "
                        "Choose it by one."
                    )
                known[1][value] = step
    return found
