"""What a FROM clause offers: tables, SELECTs, joins, functions and lists of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from etl.models.lineage.columns import Found, Made, Origins, Untraceable, unique
from etl.models.lineage.expressions import uses
from etl.models.lineage.macros import Macro
from etl.models.lineage.parser import Node
from etl.models.lineage.pivots import pivot
from etl.models.lineage.scope import FromItem, Named, Relation, Scope, source_of
from etl.models.lineage.tracer import Ctes, Tracer


def relation(tracer: Tracer, node: Node, ctes: Ctes, outer: Scope | None) -> Relation:
    """Return what a FROM clause, or a part of it, offers; `outer` are the names it may use itself."""
    if node["type"] not in _KINDS:
        raise Untraceable(f"{node['type'].lower()} in a FROM clause is not understood")
    return _KINDS[node["type"]](tracer, node, ctes, outer)


def _nothing(tracer: Tracer, node: Node, ctes: Ctes, outer: Scope | None) -> Relation:
    return Relation()


def _table(tracer: Tracer, node: Node, ctes: Ctes, outer: Scope | None) -> Relation:
    path = [part.lower() for part in node["qualified_name"]["path"]]
    if len(path) == 1 and path[0] in ctes:
        table = ctes[path[0]]
        columns = list(tracer.inner[table].columns)
    else:
        table = ".".join(path[-2:])
        if table not in tracer.tables:
            raise Untraceable(f"the columns of {table} are not known")
        columns = list(tracer.tables[table])
    schema = path[-2] if len(path) > 1 and not node["alias"] else ""
    alias = node["alias"] or path[-1]
    return _one(source_of(table, alias, columns, schema, node["column_name_alias"]), reads=(table,))


def _subquery(tracer: Tracer, node: Node, ctes: Ctes, outer: Scope | None) -> Relation:
    found = tracer.query(node["subquery"]["node"], ctes, outer)
    table = tracer.register(node["alias"] or "subquery", found)
    columns = list(tracer.inner[table].columns)
    source = source_of(table, node["alias"] or "unnamed_subquery", columns, renamed=node["column_name_alias"])
    return _one(source, reads=(table,))


def _function(tracer: Tracer, node: Node, ctes: Ctes, outer: Scope | None) -> Relation:
    scope = Scope(outer=outer)
    if macros := tracer.macros.get(node["function"]["function_name"].lower()):
        return _macro(tracer, node, macros, ctes, scope)
    used = uses(tracer, node["function"], scope, ctes)
    name = node["alias"] or node["function"]["function_name"]
    names = node["column_name_alias"] or [name.lower()]
    if node["with_ordinality"] == "WITH_ORDINALITY" and len(names) < 2:
        names = [*names, "ordinality"]
    made = [(column, Made(used)) for column in names]
    table = tracer.register(name, Found(made))
    source = source_of(table, name, names)
    is_open = not node["column_name_alias"]
    return _one(FromItem(source.name, source.columns, is_open=is_open), used, tuple(scope.reads))


def _macro(tracer: Tracer, node: Node, macros: Sequence[Macro], ctes: Ctes, scope: Scope) -> Relation:
    """Return what a table macro offers: its arguments may be in every column, and decide on the rows."""
    if len(macros) > 1:
        raise Untraceable(
            f"a table macro with several bodies, {node['function']['function_name']}, is not understood"
        )
    used = uses(tracer, node["function"]["arguments"], scope, ctes)
    within = Scope(outer=scope, parameters=macros[0].parameters)
    with tracer.elsewhere():
        found = tracer.query(macros[0].body, {}, within)
    columns = [(name, Made(unique(made.values + used), same=made.same)) for name, made in found.columns]
    name = node["alias"] or node["function"]["function_name"]
    reads = (*found.reads, *scope.reads)
    table = tracer.register(name, Found(columns, unique(found.rows + used), reads))
    source = source_of(table, name, list(tracer.inner[table].columns), renamed=node["column_name_alias"])
    return _one(source, reads=(table,))


def _values(tracer: Tracer, node: Node, ctes: Ctes, outer: Scope | None) -> Relation:
    scope = Scope(outer=outer)
    columns = enumerate(zip(*node["values"], strict=True))
    made = [(f"col{number}", Made(uses(tracer, list(column), scope, ctes))) for number, column in columns]
    name = node["alias"] or "valueslist"
    # a list of its own, since its columns are not those that they are made of
    table = tracer.register(name, Found(made, reads=tuple(scope.reads)))
    return _one(source_of(table, name, [column for column, _ in made]), reads=(table,))


def _pivot(tracer: Tracer, node: Node, ctes: Ctes, outer: Scope | None) -> Relation:
    found = pivot(tracer, node, relation(tracer, node["source"], ctes, outer), ctes, outer)
    name = node["alias"] or "pivot"
    table = tracer.register(name, found)
    columns = list(tracer.inner[table].columns)
    return _one(source_of(table, name, columns, renamed=node["column_name_alias"]), reads=(table,))


def _one(source: FromItem, rows: Origins = (), reads: tuple[str, ...] = ()) -> Relation:
    return Relation(sources=(source,), star=source.columns, merged={}, rows=rows, reads=reads)


def _join(tracer: Tracer, node: Node, ctes: Ctes, outer: Scope | None) -> Relation:
    left = relation(tracer, node["left"], ctes, outer)
    right = relation(tracer, node["right"], ctes, Scope(relation=left, outer=outer))
    both = Scope(
        relation=Relation(sources=left.sources + right.sources, merged={**right.merged, **left.merged}),
        outer=outer,
    )
    rest = {name: value for name, value in node.items() if name not in ("left", "right")}
    deciding = list(uses(tracer, rest, both, ctes))
    using = [name.lower() for name in node["using_columns"]]
    if node["ref_type"] == "NATURAL":
        there = {name.lower() for name, _ in right.star}
        using = [name.lower() for name, _ in left.star if name.lower() in there]
    merged = {}
    for name in using:
        sides = Scope(relation=left).find([name]), Scope(relation=right).find([name])
        deciding += [*sides[0], *sides[1]]
        # which side it is taken from; in an outer join of both, from any
        merged[name] = {"RIGHT": sides[1], "FULL": unique(sides[0] + sides[1])}.get(node["join_type"], sides[0])
    rows = unique([*left.rows, *right.rows, *deciding])
    reads = (*left.reads, *right.reads, *both.reads)
    if node["join_type"] in ("SEMI", "ANTI"):
        return Relation(sources=left.sources, star=left.star, merged=left.merged, rows=rows, reads=reads)
    star: Named = [(name, merged.get(name.lower(), made_of)) for name, made_of in left.star]
    star += [(name, made_of) for name, made_of in right.star if name.lower() not in merged]
    return Relation(
        sources=left.sources + right.sources,
        star=star,
        merged={**right.merged, **left.merged, **merged},
        rows=rows,
        reads=reads,
    )


_KINDS: dict[str, Callable[[Tracer, Node, Ctes, Scope | None], Relation]] = {
    "EMPTY": _nothing,
    "BASE_TABLE": _table,
    "SUBQUERY": _subquery,
    "JOIN": _join,
    "TABLE_FUNCTION": _function,
    "EXPRESSION_LIST": _values,
    "PIVOT": _pivot,
}
