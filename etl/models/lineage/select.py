"""A SELECT taken apart on DuckDB's own parse tree: what its columns are made of, and what decides on its rows.

Names follow DuckDB's rules, and whatever reads a column is found by walking the whole tree. So nothing is left out
for want of a rule; what a rule is wanting for is Untraceable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etl.models.lineage.columns import Found, Made, Origin, Origins, Traced, Untraceable, unique
from etl.models.lineage.expressions import functions, items, unnests, uses
from etl.models.lineage.from_clause import relation
from etl.models.lineage.macros import Macro
from etl.models.lineage.parser import Node, Parser
from etl.models.lineage.scope import Scope
from etl.models.lineage.tracer import Ctes, Tracer


class _Select(Tracer):
    """The tracer, with the grammar of a SELECT."""

    def query(self, node: Node, ctes: Ctes, outer: Scope | None = None) -> Found:
        """Return what a SELECT, or a set operation of several, makes; `outer` are the names around it."""
        ctes = self._with(node, ctes, outer)
        if node["type"] == "SELECT_NODE":
            return self._select(node, ctes, outer)
        if node["type"] == "SET_OPERATION_NODE":
            return self._set_operation(node, ctes, outer)
        raise Untraceable(f"{node['type'].lower()} is not understood")

    def _with(self, node: Node, ctes: Ctes, outer: Scope | None) -> Ctes:
        known = dict(ctes)
        for entry in (node.get("cte_map") or {}).get("map", ()):
            name, query = entry["key"], entry["value"]["query_node"]
            renamed = entry["value"]["aliases"]
            if query["type"] == "RECURSIVE_CTE_NODE":
                known[name.lower()] = self._recursive(name, query, renamed, known, outer)
            else:
                known[name.lower()] = self.register(name, self.query(query, known, outer), renamed)
        return known

    def _recursive(
        self, name: str, node: Node, renamed: Sequence[str], ctes: Mapping[str, str], outer: Scope | None
    ) -> str:
        known = self._with(node, ctes, outer)
        first = self.query(node["left"], known, outer)
        table = self.register(name, first, renamed)
        again = self.query(node["right"], {**known, name.lower(): table}, outer)
        before = self.inner[table]
        pairs = zip(before.columns.items(), again.columns, strict=True)
        columns = {column: made | more for (column, made), (_, more) in pairs}
        # a row that was there already ends the recursion
        values = [value for made in columns.values() for value in made.values]
        rows = unique([*before.rows, *again.rows, *values])
        reads = tuple(dict.fromkeys([*before.reads, *again.reads]))
        self.inner[table] = Traced(columns, rows, reads)
        return table

    def _select(self, node: Node, ctes: Ctes, outer: Scope | None) -> Found:
        source = relation(self, node["from_table"], ctes, outer)
        scope = Scope(relation=source, outer=outer)
        columns: list[tuple[str, Made]] = []
        deciding = list(source.rows)
        for item in node["select_list"]:
            made = list(items(self, item, scope, ctes))
            columns += made
            if unnests(item) or (_groups_by_all(node) and not self._aggregates(item)):
                deciding += [column for _, what in made for column in what.values]
        for group in node["group_expressions"]:
            deciding += _nth(group, columns) or uses(self, group, scope, ctes)
        deciding += uses(self, [node["where_clause"], node["having"], node["qualify"]], scope, ctes)
        deciding += self._modifiers(node, columns, scope, ctes)
        return Found(columns, unique(deciding), (*source.reads, *scope.reads))

    def _aggregates(self, item: Node) -> bool:
        return any(map(self.parser.is_aggregate, functions(item)))

    def _set_operation(self, node: Node, ctes: Ctes, outer: Scope | None) -> Found:
        parts = [self.query(child, ctes, outer) for child in node["children"]]
        kind = node["setop_type"]
        if kind == "UNION_BY_NAME":
            columns = _by_name(parts)
        elif kind == "UNION":
            columns = _by_place(parts)
        else:
            columns = parts[0].columns
        deciding = [column for part in parts for column in part.rows]
        if not kind.startswith("UNION") or not node["setop_all"]:
            deciding += [column for part in parts for _, made in part.columns for column in made.values]
        scope = Scope(outer=outer, aliases={name.lower(): made for name, made in columns})
        deciding += self._modifiers(node, columns, scope, ctes)
        reads = [read for part in parts for read in part.reads]
        return Found(columns, unique(deciding), (*reads, *scope.reads))

    def _modifiers(self, node: Node, columns: list[tuple[str, Made]], scope: Scope, ctes: Ctes) -> list[Origin]:
        """Return what `order by`, `limit` and `distinct` decide by."""
        everything = [column for _, made in columns for column in made.values]
        deciding: list[Origin] = []
        for modifier in node["modifiers"]:
            if modifier["type"] == "DISTINCT_MODIFIER" and not modifier["distinct_on_targets"]:
                deciding += everything
            for expression in [*modifier.get("distinct_on_targets", ()), *modifier.get("orders", ())]:
                target = expression.get("expression", expression)
                if target["class"] == "STAR":
                    deciding += everything
                else:
                    deciding += _nth(target, columns) or self._ordering(target, scope, ctes)
            deciding += uses(self, [modifier.get("limit"), modifier.get("offset")], scope, ctes)
        return deciding

    def _ordering(self, target: Node, scope: Scope, ctes: Ctes) -> Origins:
        # here, and only here, an alias hides a column of the same name
        aliases = Scope(outer=scope, aliases=scope.aliases, reads=scope.reads)
        return unique(uses(self, target, aliases, ctes) + uses(self, target, scope, ctes))


def trace(
    parser: Parser,
    name: str,
    sql: str,
    node: Node,
    tables: Mapping[str, Sequence[str]],
    macros: Mapping[str, Sequence[Macro]],
) -> dict[str, Traced]:
    """Return a model's table and the SELECTs within it; `tables` are the columns of those that it reads.

    Raises Untraceable if it cannot be taken apart without a guess.
    """
    tracer = _Select(parser, name, sql, tables, macros)
    try:
        found = tracer.query(node, {})
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise Untraceable("its parse tree is not understood") from error
    table = tracer.register("", found)
    whole = tracer.inner.pop(table)
    return {name: whole, **tracer.inner}


def _groups_by_all(node: Node) -> bool:
    return bool(node["aggregate_handling"] == "FORCE_AGGREGATES")


def _nth(expression: Node, columns: list[tuple[str, Made]]) -> Origins:
    """Return what the column is made of that `group by 1` or `order by 1` means; nothing for other expressions."""
    literal: dict[str, Any] = expression.get("literal") or {}
    if expression["class"] != "CONSTANT" or literal.get("kind") != "INTEGER":
        return ()
    return columns[int(literal["text"]) - 1][1].values


def _by_place(parts: Sequence[Found]) -> list[tuple[str, Made]]:
    columns = parts[0].columns
    for part in parts[1:]:
        pairs = zip(columns, part.columns, strict=True)
        columns = [(name, made | more) for (name, made), (_, more) in pairs]
    return columns


def _by_name(parts: Sequence[Found]) -> list[tuple[str, Made]]:
    found: dict[str, tuple[str, Made]] = {}
    for part in parts:
        for name, made in part.columns:
            first, before = found.get(name.lower(), (name, None))
            found[name.lower()] = first, before | made if before else made
    return list(found.values())
