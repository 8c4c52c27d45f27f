"""The macros that models use, as what they stand for: their bodies, taken apart where they are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from etl.engine.quoting import identifier, qualified
from etl.models.lineage.parser import Node, Parser

_DEFINED = (
    "select function_name, parameters, macro_definition, function_type = 'table_macro' from duckdb_functions() "
    "where database_name = current_database() and function_type in ('macro', 'table_macro')"
)


class Macro(NamedTuple):
    """One way to call a macro; in its body, the parameters hold what the arguments hold."""

    parameters: frozenset[str]
    body: Node
    is_table: bool


def read_macros(
    parser: Parser, statements: Iterable[str], tables: Mapping[str, Mapping[str, str]]
) -> dict[str, list[Macro]]:
    """Return macros by name, of the statements that make them; `tables` are those that they may read."""
    statements = list(dict.fromkeys(statements))
    if not statements:
        return {}
    for name, columns in tables.items():
        parser.con.execute(f"create schema if not exists {identifier(name.split('.')[0])}")
        text = ", ".join(f"{identifier(column)} {type}" for column, type in columns.items())
        parser.con.execute(f"create table {qualified(name)} ({text})")
    for statement in statements:
        parser.con.execute(statement)
    found: dict[str, list[Macro]] = {}
    for name, parameters, body, is_table in parser.con.execute(_DEFINED).fetchall():
        tree = parser.trees({name: body if is_table else f"select {body}"})[name]
        if tree:
            known = frozenset(parameter.lower() for parameter in parameters)
            found.setdefault(name.lower(), []).append(Macro(known, tree, is_table))
    return found
