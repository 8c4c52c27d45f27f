"""Which cell of a JSON value belongs to which column: paths such as `address.city` or `tags[0]`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl.contract.values import Values
from etl.errors import ContractError
from etl.sources.formats.json_values import Malformed, Number, dumped

_STEP = re.compile(r'(?:^|\.)([^.\[\]"]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')
Path = tuple[str | int, ...]
_PLAIN = Values()


def parse_path(text: str) -> Path:
    """Return the steps of a path: `a.b` and `a["b"]` are keys, `a[0]` is the first of a list.

    `../a` is one key: what is above a record is beside its own keys under the path that leads there.
    """
    if text.startswith("../"):
        return (text,)
    steps: list[str | int] = []
    position = 0
    while match := _STEP.match(text, position):
        key, index, quoted = match.groups()
        steps.append(int(index) if index else key if key else re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
    if not steps or position < len(text) or text[0] == ".":
        raise ContractError(
            f'Path {text!r} is not understood. Write one such as address.city, tags[0] or ["a.b"].'
        )
    return tuple(steps)


@dataclass
class _Node:
    columns: list[int] = field(default_factory=list)
    children: dict[str | int, _Node] = field(default_factory=dict)


class Paths:
    """The cells of each record; `names` are the columns, `paths` says where those are that are no plain keys.
    `nulls` are the texts that stand for null.

    Raises ContractError for paths that contradict each other.
    """

    def __init__(
        self,
        names: Sequence[str],
        paths: Mapping[str, str],
        values: Values = _PLAIN,
        nulls: Collection[str] = (),
    ) -> None:
        self._names = names
        self._values = values
        self._nulls = frozenset(nulls)
        self._steps = [parse_path(paths[name]) if name in paths else (name,) for name in names]
        self._root = _Node()
        for column, steps in enumerate(self._steps):
            node = self._root
            for step in steps:
                children = node.children
                node = children.setdefault(step, _Node())
                if len({type(key) for key in children}) > 1:
                    raise ContractError(
                        f"Path {paths[names[column]]!r}: one value cannot be both an object and a list."
                    )
            node.columns.append(column)

    def cells(self, value: Any) -> tuple[list[str | None], dict[str, Any]]:
        """Return the columns' cells, and what no column takes: keys at any depth that a path leads past.

        Of a list only the record itself must be taken whole. Raises Malformed where a path meets a value
        that has no parts.
        """
        cells: list[str | None] = [None] * len(self._names)
        extra: dict[str, Any] = {}
        self._walk(self._root, value, "", cells, extra)
        if self._nulls:
            cells = [None if cell in self._nulls else cell for cell in cells]
        return cells, extra

    def replaced(self, value: Any, hidden: Mapping[str, Callable[[str], str]]) -> None:
        """Replace the cells of hidden columns within `value`."""
        for column, name in enumerate(self._names):
            if name in hidden:
                self._replace(value, column, hidden[name])

    def _walk(self, node: _Node, value: Any, where: str, cells: list[str | None], extra: dict[str, Any]) -> None:
        for column in node.columns:
            cells[column] = self._text(value, column)
        if not node.children or (value is None and where):
            return
        if isinstance(next(iter(node.children)), int):
            self._walk_list(node, value, where, cells, extra)
            return
        if not isinstance(value, dict):
            raise Malformed(f"{where or 'it'} is {kind_of(value)}, not an object")
        children = node.children
        for key, item in value.items():
            child = children.get(key)
            if child is None:
                if not node.columns:
                    extra[f"{where}.{key}" if where else key] = item
            elif child.children or len(child.columns) > 1:
                self._walk(child, item, f"{where}.{key}" if where else key, cells, extra)
            else:  # nearly all cells
                cells[child.columns[0]] = item if type(item) is str else self._text(item, child.columns[0])

    def _walk_list(
        self, node: _Node, value: Any, where: str, cells: list[str | None], extra: dict[str, Any]
    ) -> None:
        if not isinstance(value, list):
            raise Malformed(f"{where or 'it'} is {kind_of(value)}, not a list")
        for index, item in enumerate(value):
            child = node.children.get(index)
            if child is not None:
                self._walk(child, item, f"{where}[{index}]", cells, extra)
            elif not where:
                extra[f"[{index}]"] = item

    def _text(self, value: Any, column: int) -> str | None:
        if isinstance(value, Number):
            return self._values.number(value, self._names[column])
        return value if value is None or isinstance(value, str) else dumped(value)

    def _replace(self, value: Any, column: int, hide: Callable[[str], str]) -> None:
        *ways, last = self._steps[column]
        for step in ways:
            value = part(value, step)
        text = self._text(part(value, last), column)
        if text is not None:
            value[last] = hide(text)


def cell_text(value: Any, column: str, values: Values) -> str | None:
    """Return a value as the text of a cell; of an object or a list, its JSON text."""
    if isinstance(value, Number):
        return values.number(value, column)
    if value is None or isinstance(value, str):
        return value
    return dumped(value)


def part(value: Any, step: str | int) -> Any:
    """Return what a value has at a step; None if there is nothing."""
    if isinstance(step, str):
        return value.get(step) if isinstance(value, dict) else None
    return value[step] if isinstance(value, list) and step < len(value) else None


def kind_of(value: Any) -> str:
    """Return what a value is, for a message."""
    if isinstance(value, Number):
        return "a number"
    names = {str: "text", bool: "true or false", list: "a list", dict: "an object", type(None): "null"}
    return names[type(value)]
