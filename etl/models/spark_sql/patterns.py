"""The entries of the list as trees of sqlglot, and which of them an expression is like."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import sqlglot
from sqlglot import exp

from etl.models.spark_sql.functions import ENTRIES, Entry

_MARK = re.compile(r"[#$]\w+")
#: What of a tree says nothing of what it means.
_IGNORED = {"big_int", "typed", "safe", "quoted"}


class Found(NamedTuple):
    """An entry that an expression is like, and what it has at the entry's marks: `_0`, `$0`, `#0` and so on."""

    entry: Entry
    parts: Mapping[str, exp.Expression]


def parse(sql: str) -> exp.Expression:
    """Return the tree of a SELECT, or of an expression, in DuckDB's dialect. Raises sqlglot's ParseError."""
    found = sqlglot.parse_one(sql, read="duckdb")
    assert isinstance(found, exp.Expression)
    return found


def entries_like(node: exp.Expression) -> list[Found]:
    """Return the entries that an expression is like, whatever the types of its values are."""
    found = []
    for entry, pattern in _index().get(type(node).__name__, ()):
        parts: dict[str, exp.Expression] = {}
        if _is_like(pattern, node, parts):
            found.append(Found(entry, parts))
    return found


@cache
def _index() -> Mapping[str, list[tuple[Entry, exp.Expression]]]:
    index: dict[str, list[tuple[Entry, exp.Expression]]] = defaultdict(list)
    for entry in ENTRIES:
        pattern = parse(f"select {entry.duckdb}").expressions[0]
        index[type(pattern).__name__].append((entry, pattern))
    return index


def _is_like(pattern: Any, node: Any, parts: dict[str, exp.Expression]) -> bool:
    """Return whether a tree is like that of an entry; note what it has at the marks."""
    if isinstance(pattern, exp.Column) and re.fullmatch(r"_\d", pattern.name):
        # these are no values
        if not isinstance(node, exp.Expression) or isinstance(node, exp.Distinct | exp.Star | exp.Order):
            return False
        parts[pattern.name] = node
        return True
    if isinstance(pattern, exp.Literal) and pattern.is_string and _MARK.fullmatch(pattern.name):
        return _is_marked(pattern.name, node, parts)
    if isinstance(pattern, list):
        return (
            isinstance(node, list)
            and len(pattern) == len(node)
            and all(_is_like(one, other, parts) for one, other in zip(pattern, node, strict=True))
        )
    if not isinstance(pattern, exp.Expression):
        return bool(pattern == node or (not pattern and not node))
    if type(pattern) is not type(node):
        return False
    assert isinstance(node, exp.Expression)
    names = {*pattern.args, *node.args} - _IGNORED
    return all(_is_like(pattern.args.get(name), node.args.get(name), parts) for name in sorted(names))


def _is_marked(mark: str, node: Any, parts: dict[str, exp.Expression]) -> bool:
    """Return whether a literal may stand at a mark: `#1` is a number from 1 on, the rest is text."""
    if not isinstance(node, exp.Literal):
        return False
    parts[mark] = node
    if mark.startswith("#"):
        return bool(not node.is_string and node.name.isdigit() and int(mark[1:]) <= int(node.name) < 2**31)
    return bool(node.is_string)
