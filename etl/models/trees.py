"""The parse tree of a SELECT in one form: what DuckDB orders by chance is sorted, and places in the text go."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

# `* exclude (a, b)` is the same as `* exclude (b, a)`, and DuckDB prints either for either
_UNORDERED = {"exclude_list", "qualified_exclude_list", "replace_list", "rename_list"}
_PLACES = {"query_location", "query_location_length"}
_NAME = r'(?:"(?:[^"]|"")*"|[^\s."(]+)'
_VIEW = re.compile(
    rf'create view ({_NAME}(?:\.{_NAME})*(?: \((?:[^"()]|"(?:[^"]|"")*")*\))?) as (.*)', re.I | re.S
)


def in_order(tree: Any) -> Any:
    """Return a parse tree with the lists sorted whose order says nothing."""
    if isinstance(tree, dict):
        found = {key: in_order(value) for key, value in tree.items()}
        for key in _UNORDERED & found.keys():
            found[key] = sorted(found[key], key=_text)
        return found
    return [in_order(item) for item in tree] if isinstance(tree, list) else tree


def meanings_of_views(con: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> list[str]:
    """Return a text for each statement that makes a view, as DuckDB prints it: equal if the views are the same."""
    heads, selects = [], []
    for text in texts:
        found = _VIEW.fullmatch(text)
        heads.append(found[1] if found else "")
        selects.append(found[2] if found else text)
    if not texts:
        return []
    trees = con.execute("select json_serialize_sql(unnest($1::varchar[]))", [selects]).fetchall()
    return [
        _meaning(head, text, json.loads(tree)) for head, text, (tree,) in zip(heads, texts, trees, strict=True)
    ]


def _meaning(head: str, text: str, tree: dict[str, Any]) -> str:
    return text if tree["error"] else f"{head} {_text(tree)}"


def _text(tree: Any) -> str:
    return json.dumps(_placeless(in_order(tree)), sort_keys=True)


def _placeless(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _placeless(value) for key, value in tree.items() if key not in _PLACES}
    return [_placeless(item) for item in tree] if isinstance(tree, list) else tree
