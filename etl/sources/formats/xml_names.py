"""The names of what is within a record of XML: each path is written once, however often it occurs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from etl.errors import UnreadableError

#: Between the steps of a path, and between a namespace and a name; no XML holds these characters.
STEP, SPACE = "\x1f", "\x1e"
XML = "http://www.w3.org/XML/1998/namespace"
#: What the attributes of XML schemas begin with, which are no values.
SCHEMA = f"http://www.w3.org/2001/XMLSchema-instance{SPACE}"
#: So many characters in all paths of a file that are different; real files have a few thousand.
_MOST_CHARACTERS = 1 << 24


class Name:
    """One element or attribute by its path from the record, its column if it has one, and the names within it."""

    __slots__ = ("attributes", "children", "column", "is_attribute", "is_list", "path")

    def __init__(self, path: str, column: int | None, is_list: bool, is_attribute: bool) -> None:
        self.path = path
        self.column = column
        self.is_list = is_list
        self.is_attribute = is_attribute
        self.children: dict[str, Name] = {}
        self.attributes: dict[str, Name] = {}


class Names:
    """All names of a file's records; `columns` are the columns of paths, and whether each is a list."""

    def __init__(self, file: Path, columns: Mapping[str, tuple[int, bool]]) -> None:
        self._file, self._columns = file, columns
        self._characters = 0
        #: The record itself, whose own text has the path ".".
        self.record = self._name("", is_attribute=False)

    def child(self, outer: Name, name: str) -> Name:
        """Return the name of an element within another, which is new."""
        path = f"{outer.path}{STEP}{name}" if outer.path else name
        found = outer.children[name] = self._name(path, is_attribute=False)
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
