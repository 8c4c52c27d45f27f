"""Macros in sql/macros/*.sql: what each of them is, and what a SELECT that uses it reads and depends on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import ModelError
from etl.models.query import Query, explained, parse

if TYPE_CHECKING:
    import duckdb

FOLDER = "macros"
_CREATE = re.compile(
    r"(\s|--[^\n]*\n|/\*.*?\*/)*create\s+(or\s+replace\s+)?(macro|function)\b", re.IGNORECASE | re.DOTALL
)
_DEFINED = (
    "select function_name, function_type = 'table_macro', parameters, macro_definition from duckdb_functions() "
    "where not internal and function_type in ('macro', 'table_macro') order by function_name, parameters"
)


@dataclass(frozen=True)
class Macro:
    """One macro: its file, the statement that makes it, and what it is without spacing and case (`normal`)."""

    name: str
    file: str
    sql: str
    normal: str
    reads: tuple[str, ...]
    functions: frozenset[str]
    variables: tuple[str, ...]


def read_macros(con: duckdb.DuckDBPyConnection, folder: Path, variables: Mapping[str, str]) -> dict[str, Macro]:
    """Make the macros of a project in `con`, which has the raw tables, and return them by name, in order.

    A macro may use those before it. Raises ModelError naming file and line for what is no `create macro`, for a
    table that is not raw, and for what no model may do.
    """
    found: dict[str, Macro] = {}
    for path in sorted((folder / FOLDER).glob("*.sql")):
        file = f"{folder.name}/{FOLDER}/{path.name}"
        for statement in con.extract_statements(path.read_text(encoding="utf-8")):
            before = _defined(con)
            sql = statement.query.strip().removesuffix(";")
            match = _CREATE.match(sql)
            if not match:
                raise ModelError(f"{file}: has something else than statements `create macro name(...) as ...`.")
            sql = f"create macro{sql[match.end() :]}"
            with explained(file):
                con.execute(sql)
            for name, (normal, bodies) in _defined(con).items():
                if name not in before:
                    queries = list(
                        parse(con, {f"{file}:{name}{' ' * n}": body for n, body in enumerate(bodies)}).values()
                    )
                    for query in queries:
                        query.check_variables(variables)
                        query.check_functions({*found})
                    found[name] = _macro(name, file, sql, normal, queries)
    return found


def _macro(name: str, file: str, sql: str, normal: str, queries: Sequence[Query]) -> Macro:
    return Macro(
        name,
        file,
        sql.replace("create macro", "create or replace macro", 1),
        f"macro {name}{normal}",
        tuple(sorted({read for query in queries for read in query.reads()})),
        frozenset(function for query in queries for function in query.functions),
        tuple(sorted({variable for query in queries for variable in query.variables})),
    )


def used(functions: Iterable[str], macros: Mapping[str, Macro]) -> dict[str, Macro]:
    """Return the macros among `functions`, and those that these use, each after those that it uses."""
    found: dict[str, Macro] = {}
    left = sorted(set(functions) & macros.keys())
    while left:
        name = left.pop()
        if name not in found:
            found[name] = macros[name]
            left += sorted(macros[name].functions & macros.keys())
    # in the order in which they can be made
    return {name: macro for name, macro in macros.items() if name in found}


def _defined(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, list[str]]]:
    """Return, by macro, its parameters and text, and each of its bodies as a SELECT."""
    found: dict[str, tuple[str, list[str]]] = {}
    for name, is_table, parameters, body in con.execute(_DEFINED).fetchall():
        text, bodies = found.get(name, ("", []))
        found[name] = (
            f"{text}({', '.join(parameters)}) as {body}",
            [*bodies, body if is_table else f"select {body}"],
        )
    return found
