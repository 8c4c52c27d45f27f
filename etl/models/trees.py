"""The parse tree of a SELECT in one form: what DuckDB orders by chance is sorted, and places in the text go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
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
    return [
        text if tree["error"] else f"{head} {_text(tree)}"
        for text, (head, tree) in zip(texts, _parsed(con, texts), strict=True)
    ]


def tables_of_views(con: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> list[set[str] | None]:
    """Return the tables that the statements read which make views; None for one that does not say it all."""
    return [None if tree["error"] else _tables(tree) for _, tree in _parsed(con, texts)]


def _parsed(con: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return the names of each view and of its columns, and the parse tree of its SELECT."""
    found = [_VIEW.fullmatch(text) for text in texts]
    selects = [match[2] if match else text for match, text in zip(found, texts, strict=True)]
    if not texts:
        return []
    trees = con.execute("select json_serialize_sql(unnest($1::varchar[]))", [selects]).fetchall()
    return [(match[1] if match else "", json.loads(tree)) for match, (tree,) in zip(found, trees, strict=True)]


def _tables(tree: Any) -> set[str] | None:
    nodes = list(_nodes(tree))
    own = {item["key"] for node in nodes for item in node.get("cte_map", {}).get("map", [])}
    found = set()
    for node in nodes:
        if node.get("type") == "TABLE_FUNCTION":
            return None
        if node.get("type") == "BASE_TABLE":
            schema, name = node["schema_name"], node["table_name"]
            if not schema and name not in own:
                return None
            found |= {f"{schema}.{name}"} if schema else set()
    return found


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _nodes(child)


def _text(tree: Any) -> str:
    return json.dumps(_placeless(in_order(tree)), sort_keys=True)


def _placeless(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _placeless(value) for key, value in tree.items() if key not in _PLACES}
    return [_placeless(item) for item in tree] if isinstance(tree, list) else tree
