"""Lineage as data: the part of the graph that columns are reached from, or reach, as nodes and edges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from etl.models.lineage.columns import Origin
from etl.models.lineage.graph import Lineage, is_outer, reachable

#: A column, or a table for its rows.
_Node = Origin | str
#: From, to, and as what: a value, or what decides on rows.
_Edge = tuple[_Node, _Node, str]


def as_data(lineage: Lineage, name: str, *, downstream: bool = False) -> dict[str, Any]:
    """Return the nodes and edges that a column, or each of a table, is made of, or with `downstream` ends up in.

    A node of kind table stands for which rows it has; one of kind step is a column of a SELECT within a model.
    Raises ConfigError for an unknown name, with the closest.
    """
    start: list[_Node] = [*lineage.columns(name), *lineage.tables_named(name)]
    edges: dict[_Edge, None] = {}

    def after(node: _Node) -> Iterable[_Node]:
        found = _above(lineage, node) if downstream else _below(lineage, node)
        edges.update(dict.fromkeys(found))
        return [one[1] if downstream else one[0] for one in found]

    nodes = list(reachable(start, after))
    return {
        "of": [_id(lineage, node) for node in start],
        "direction": "downstream" if downstream else "upstream",
        "nodes": [_node(lineage, node) for node in nodes],
        "edges": [
            {"from": _id(lineage, one), "to": _id(lineage, other), "as": kind} for one, other, kind in edges
        ],
    }


def _below(lineage: Lineage, node: _Node) -> list[_Edge]:
    if isinstance(node, str):
        below: list[_Node] = [*lineage.rows[node], *lineage.reads[node]]
        return [(one, node, "rows") for one in below]
    found: list[_Edge] = [(one, node, "value") for one in lineage.made(node).values]
    # a column is of the rows of its table
    return [*found, (node.table, node, "rows")] if node.table in lineage.tables and is_outer(node.table) else found


def _above(lineage: Lineage, node: _Node) -> list[_Edge]:
    if isinstance(node, str):
        return [(node, one, "rows") for one in lineage.readers.get(node, [])]
    found: list[_Edge] = [(node, one, "value") for one in lineage.into.get(node, [])]
    return [*found, *((node, table, "rows") for table in lineage.decides.get(node, []))]


def _node(lineage: Lineage, node: _Node) -> dict[str, Any]:
    if isinstance(node, str):
        table = lineage.tables[node]
        return {"id": node, "kind": "table", "table": node, "file": table.file, "opaque": table.opaque}
    kind = "step" if lineage.is_step(node) else "column" if node.table in lineage.tables else "file"
    model = node.table.partition("/")[0] if kind == "step" else node.table
    return {
        "id": _id(lineage, node),
        "kind": kind,
        "table": model,
        "column": node.name,
        "file": node.table if kind == "file" else lineage.tables[model].file,
        "expressions": [{"sql": sql, "line": line} for sql, line in lineage.made(node).expressions],
        "opaque": "" if kind == "file" else lineage.tables[model].opaque,
    }


def _id(lineage: Lineage, node: _Node) -> str:
    if isinstance(node, Origin) and node.table not in lineage.tables:
        return f"{node.table}: {node.name}" if node.name else node.table
    return str(node)
