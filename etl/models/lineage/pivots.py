"""The columns of `pivot` and `unpivot`."""

from __future__ import annotations

from itertools import product

from etl.models.lineage.columns import Found, Made, Origins, Untraceable, unique
from etl.models.lineage.expressions import expanded, found_in, uses
from etl.models.lineage.parser import Node
from etl.models.lineage.scope import Relation, Scope
from etl.models.lineage.tracer import Ctes, Tracer

Named = list[tuple[str, Made]]


def pivot(tracer: Tracer, node: Node, source: Relation, ctes: Ctes, outer: Scope | None) -> Found:
    """Return the columns of a PIVOT or UNPIVOT of `source`."""
    scope = Scope(relation=source, outer=outer)
    make = _long if node["unpivot_names"] else _wide
    columns, deciding = make(tracer, node, scope, ctes)
    return Found(columns, unique(source.rows + deciding), (*source.reads, *scope.reads))


def _wide(tracer: Tracer, node: Node, scope: Scope, ctes: Ctes) -> tuple[Named, Origins]:
    """Return the groups and a column for each value and aggregate; the groups decide on the rows."""
    pivots = [item for one in node["pivots"] for item in one["pivot_expressions"]]
    if any(one.get("pivot_enum") or one.get("subquery") for one in node["pivots"]):
        raise Untraceable("a pivot on values that its text does not name is not understood")
    named = _names(node["aggregates"]) | _names(pivots)
    groups = [name.lower() for name in node["groups"]]
    columns = [
        (name, Made(made_of, same=made_of))
        for name, made_of in scope.relation.star
        if (name.lower() in groups if groups else name.lower() not in named)
    ]
    deciding = unique(column for _, made in columns for column in made.values)
    values = [[_value(entry) for entry in one["entries"]] for one in node["pivots"]]
    is_plain = len(node["aggregates"]) == 1 and not node["aggregates"][0]["alias"]
    for combination, aggregate in product(product(*values), node["aggregates"]):
        suffix = [] if is_plain else [aggregate["alias"] or tracer.parser.name(aggregate)]
        used = uses(tracer, [aggregate, pivots], scope, ctes)
        made = Made(used, (tracer.written.expression(aggregate),))
        columns.append(("_".join([*combination, *suffix]), made))
    return columns, deciding


def _value(entry: Node) -> str:
    constant = entry.get("star_expr") or {}
    if constant.get("class") != "CONSTANT":
        raise Untraceable("a pivot on other values than constants is not understood")
    return str(entry["alias"] or constant["alias"] or constant["literal"].get("text"))


def _long(tracer: Tracer, node: Node, scope: Scope, ctes: Ctes) -> tuple[Named, Origins]:
    """Return the columns that stay, that of the names, and those of the values, whose nulls make no rows."""
    entries = [entry["star_expr"] for one in node["pivots"] for entry in one["entries"]]
    stars = [name for star in found_in(entries, "STAR") for name, _ in expanded(tracer, star, scope)]
    taken = _names(entries) | {name.lower() for name in stars}
    stays = [(name, made_of) for name, made_of in scope.relation.star if name.lower() not in taken]
    columns = [(name, Made(made_of, same=made_of)) for name, made_of in stays]
    columns += [(name, Made(())) for one in node["pivots"] for name in one["unpivot_names"]]
    used = uses(tracer, entries, scope, ctes)
    made = Made(used, (tracer.written.expression(entries[0]),))
    return columns + [(name, made) for name in node["unpivot_names"]], used


def _names(nodes: list[Node]) -> set[str]:
    return {str(found["column_names"][-1]).lower() for found in found_in(nodes, "COLUMN_REF")}
