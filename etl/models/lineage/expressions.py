"""What the expressions of a SELECT read, and what the items of its select list are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from etl.models.lineage.columns import Expression, Made, Origin, Origins, unique
from etl.models.lineage.parser import Node
from etl.models.lineage.scope import Named, Scope
from etl.models.lineage.tracer import Ctes, Tracer

# the operators behind `* like`, `* similar to` and their kin
_STAR_FILTERS = {"~~", "!~~", "~~*", "!~~*", "~~~", "regexp_full_match", "not_like_escape", "like_escape"}
_UNNESTING = {"unnest", "unlist", "generate_subscripts"}


def uses(tracer: Tracer, node: Any, scope: Scope, ctes: Ctes) -> Origins:
    """Return the columns that an expression reads; those that its subqueries read go to `scope.reads` too."""
    return unique(_uses(tracer, node, scope, ctes))


def _uses(tracer: Tracer, node: Any, scope: Scope, ctes: Ctes) -> Iterator[Origin]:
    if isinstance(node, list):
        for item in node:
            yield from _uses(tracer, item, scope, ctes)
    if not isinstance(node, dict):
        return
    kind = node.get("class")
    if kind == "COLUMN_REF":
        yield from scope.find(node["column_names"])
    elif kind == "STAR":
        for _, made_of in expanded(tracer, node, scope):
            yield from made_of
    elif kind == "POSITIONAL_REFERENCE":
        yield from scope.relation.star[node["index"] - 1][1]
    elif kind == "SUBQUERY":
        yield from _uses(tracer, node.get("child"), scope, ctes)
        yield from _subquery(tracer, node, scope, ctes)
    elif kind == "LAMBDA":
        names = {ref["column_names"][0].lower() for ref in found_in(node["lhs"], "COLUMN_REF")}
        inner = Scope(outer=scope, parameters=frozenset(names), reads=scope.reads)
        yield from _uses(tracer, node["expr"], inner, ctes)
    else:
        yield from _method(node, scope)
        for value in node.values():
            yield from _uses(tracer, value, scope, ctes)
        for macro in tracer.macros.get(str(node.get("function_name")).lower(), ()):
            inner = Scope(outer=scope, parameters=macro.parameters, reads=scope.reads)
            with tracer.elsewhere():
                found = uses(tracer, macro.body["select_list"], inner, {})
            yield from found


def _subquery(tracer: Tracer, node: Node, scope: Scope, ctes: Ctes) -> Iterator[Origin]:
    found = tracer.query(node["subquery"]["node"], ctes, scope)
    scope.reads += found.reads
    for _, made in found.columns if node["subquery_type"] != "EXISTS" else ():
        yield from made.values
    yield from found.rows


def _method(node: Node, scope: Scope) -> Origins:
    """Return what `name.upper()` reads: DuckDB's parser takes the name for the function's schema."""
    path = (
        (node.get("qualified_name") or {}).get("path", []) if node.get("class") in ("FUNCTION", "WINDOW") else []
    )
    return scope.find(path[:-1]) if path[:-1] and path[0] not in ("main", "system") else ()


def found_in(node: Any, kind: str) -> Iterator[Node]:
    """Yield the nodes of a class in an expression, but none in its subqueries."""
    if isinstance(node, list):
        for item in node:
            yield from found_in(item, kind)
    elif isinstance(node, dict):
        if node.get("class") == kind:
            yield node
        for name, value in node.items():
            if name != "subquery":
                yield from found_in(value, kind)


def functions(node: Any) -> set[str]:
    """Return the names of the functions in an expression, but of none in its subqueries."""
    return {str(found["function_name"]).lower() for found in found_in(node, "FUNCTION")}


def expanded(tracer: Tracer, star: Node, scope: Scope) -> Named:
    """Return the columns that `*`, `table.*` or `columns(...)` stands for."""
    table = star.get("relation_name")
    columns = scope.of(table) if table else scope.relation.star
    if star.get("columns") and star.get("expr"):
        by_name = {name.lower(): made_of for name, made_of in columns}
        names = tracer.parser.expanded({**star, "alias": ""}, [name for name, _ in columns])
        return [(name, by_name[name.lower()]) for name in names]
    excluded = {str(name).lower() for name in star.get("exclude_list", ())}
    excluded |= {name["column"].lower() for name in star.get("qualified_exclude_list", ())}
    return [(name, made_of) for name, made_of in columns if name.lower() not in excluded]


def items(tracer: Tracer, item: Node, scope: Scope, ctes: Ctes) -> Iterator[tuple[str, Made]]:
    """Yield the columns that an item of a select list makes, with their names."""
    written = tracer.written.expression(item)
    stars = [star for star in found_in(item, "STAR") if star.get("columns")]
    if item["class"] == "STAR" and not item.get("columns"):
        yield from _star(tracer, item, scope, ctes, written.line)
    elif _is_filtered_star(item):
        star = next(found_in(item, "STAR"))
        columns = expanded(tracer, star, scope)
        made = {name.lower(): made_of for name, made_of in columns}
        for name in tracer.parser.expanded(item, [name for name, _ in columns]):
            yield name, Made(made[name.lower()], (Expression(name, written.line),), made[name.lower()])
    elif stars and not list(_unpacked(item)):
        others = uses(tracer, _without_stars(item), scope, ctes)
        columns = expanded(tracer, stars[0], scope)
        names = [name for name, _ in columns]
        if item is stars[0]:
            # an alias such as "new_\\0" makes other names of them
            names = tracer.parser.expanded(item, [name for name, _ in scope.relation.star])
        for name, (column, made_of) in zip(names, columns, strict=True):
            text = column if item is stars[0] else written.sql
            same = made_of if item is stars[0] else ()
            yield name, Made(unique(made_of + others), (Expression(text, written.line),), same)
    else:
        made_here = Made(uses(tracer, item, scope, ctes), (written,), _same(item, scope))
        if item["alias"]:
            scope.aliases.setdefault(item["alias"].lower(), made_here)
        yield item["alias"] or _name(tracer, item, scope), made_here


def _name(tracer: Tracer, item: Node, scope: Scope) -> str:
    if item["class"] == "POSITIONAL_REFERENCE":
        return scope.relation.star[int(item["index"]) - 1][0]
    return tracer.parser.name(item)


def _star(tracer: Tracer, star: Node, scope: Scope, ctes: Ctes, line: int) -> Iterator[tuple[str, Made]]:
    replaced = {item["key"].lower(): item["value"] for item in star.get("replace_list", ())}
    renamed = {item["key"]["column"].lower(): item["value"] for item in star.get("rename_list", ())}
    for name, made_of in expanded(tracer, star, scope):
        if name.lower() in replaced:
            value = replaced[name.lower()]
            text = tracer.written.expression(value)
            yield name, Made(uses(tracer, value, scope, ctes), (text,), _same(value, scope))
        else:
            yield renamed.get(name.lower(), name), Made(made_of, (Expression(name, line),), made_of)


def _same(item: Node, scope: Scope) -> Origins:
    """Return the columns whose values an expression holds as they are; none if it computes."""
    if item["class"] == "COLUMN_REF":
        return scope.same(item["column_names"])
    return scope.relation.star[item["index"] - 1][1] if item["class"] == "POSITIONAL_REFERENCE" else ()


def _is_filtered_star(item: Node) -> bool:
    arguments = [argument["expression"] for argument in item.get("arguments", ())]
    is_filter = item["class"] == "FUNCTION" and item["function_name"] in _STAR_FILTERS
    return is_filter and any(argument["class"] == "STAR" and not argument["columns"] for argument in arguments)


def _unpacked(item: Any) -> Iterator[Node]:
    """Yield the `*columns(...)` in an expression, which are the arguments of one call."""
    return (node for node in found_in(item, "OPERATOR") if node["type"] == "OPERATOR_UNPACK")


def _without_stars(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_stars(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {} if node.get("class") == "STAR" else {name: _without_stars(value) for name, value in node.items()}


def unnests(item: Node) -> bool:
    """Return whether an item of a select list makes several rows of one."""
    return not _UNNESTING.isdisjoint(functions(item))
