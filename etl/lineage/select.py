"""One SELECT taken apart by sqlglot: what each of its columns is made of, and what decides on its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot.lineage import Node

#: A table and its column.
Leaf = tuple[str, str]

_DIALECT = "duckdb"


@dataclass(frozen=True)
class Traced:
    """One column: its expression, those of inner SELECTs that it comes through, and the columns that it reads."""

    steps: tuple[str, ...]
    values: tuple[Leaf, ...]


@dataclass(frozen=True)
class Select:
    """The columns of a SELECT, and the columns of tables that decide which rows it has."""

    columns: Mapping[str, Traced]
    rows: tuple[Leaf, ...]


def traced(sql: str, tables: Mapping[str, Mapping[str, str]], columns: Sequence[str]) -> Select | None:
    """Return what the columns of `sql` are made of; `tables` are the columns, with types, of those that it reads.

    None if sqlglot cannot say: it does not understand the text, finds other `columns` than DuckDB, or loses one.
    """
    import logging

    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name, types in tables.items():
        folder, table = name.split(".")
        schema.setdefault(folder, {})[table] = dict(types)
    try:
        nodes = lineage(None, sql, schema, dialect=_DIALECT)
        rows = tuple(dict.fromkeys(_deciding(sql, schema)))
    except (SqlglotError, ValueError, KeyError, AttributeError, RecursionError):
        return None
    if [name.lower() for name in nodes] != [name.lower() for name in columns]:
        return None
    found = {
        name: Traced(tuple(dict.fromkeys(_steps(node))), tuple(dict.fromkeys(_leaves(node))))
        for name, node in zip(columns, nodes.values(), strict=True)
    }
    is_known = all(column in tables.get(table, {}) for part in found.values() for table, column in part.values)
    return Select(found, tuple(leaf for leaf in rows if leaf[1] in tables.get(leaf[0], {}))) if is_known else None


def _steps(node: Node) -> Iterator[str]:
    """Yield the expressions of a column, the outermost first; a plain name in between says nothing."""
    from sqlglot import exp

    for inner in node.walk():
        expression = inner.expression.unalias()
        if not isinstance(expression, exp.Table | exp.Query):
            text = expression.sql(dialect=_DIALECT)
            if inner is node or not isinstance(expression, exp.Column):
                yield text


def _leaves(node: Node) -> Iterator[Leaf]:
    from sqlglot import exp

    for inner in node.walk():
        if isinstance(inner.expression, exp.Table) and inner.expression.db:
            table = inner.expression
            yield f"{table.db}.{table.name}".lower(), inner.name.rsplit(".", 1)[-1].strip('"')


def _deciding(sql: str, schema: dict[str, Any]) -> Iterator[Leaf]:
    """Yield the columns in conditions, joins, groups and windows that choose rows, of all SELECTs within `sql`."""
    from sqlglot import exp, maybe_parse
    from sqlglot.lineage import to_node
    from sqlglot.optimizer import build_scope, qualify
    from sqlglot.optimizer.scope import Scope
    from sqlglot.schema import ensure_schema

    known = ensure_schema(schema, dialect=_DIALECT)
    tree: exp.Expression = qualify.qualify(
        maybe_parse(sql, dialect=_DIALECT),
        dialect=_DIALECT,
        schema=known,
        validate_qualify_columns=False,
        identify=False,
    )
    root = build_scope(tree)
    for scope in root.traverse() if root else ():
        for clause in scope.find_all(exp.Where, exp.Join, exp.Group, exp.Having, exp.Qualify):
            # `filter (where ...)` chooses among values, not among rows
            for column in () if isinstance(clause.parent, exp.Filter) else clause.find_all(exp.Column):
                source = scope.sources.get(column.table)
                if isinstance(source, exp.Table) and source.db:
                    yield f"{source.db}.{source.name}".lower(), column.name
                elif isinstance(source, Scope) and isinstance(source.expression, exp.Query):
                    yield from _leaves(to_node(column.name, source, _DIALECT, schema=known))
