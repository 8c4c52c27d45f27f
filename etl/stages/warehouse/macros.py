"""The project's macros in build.duckdb, so that they are in what is published, with its views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier
from etl.models import with_values

if TYPE_CHECKING:
    import duckdb


def define_macros(
    con: duckdb.DuckDBPyConnection, macros: Iterable[tuple[str, str]], variables: Mapping[str, str]
) -> None:
    """Make macros, given as names and statements in order, what they should be; the tables they read are there."""
    there = _there(con)
    for name, statement in macros:
        sql = with_values(statement, variables)
        if there.get(name) != sql:
            _drop(con, name)
            con.execute(sql)
            con.execute("insert into etl._macros values ($1, $2)", [name, sql])


def drop_other_macros(con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Drop the macros that are not among `names`."""
    for name in _there(con).keys() - set(names):
        _drop(con, name)


def _there(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(con.execute("select name, sql from etl._macros").fetchall())


def _drop(con: duckdb.DuckDBPyConnection, name: str) -> None:
    # one that gives a table and one that gives a value may have the same name
    con.execute(f"drop macro if exists {identifier(name)}; drop macro table if exists {identifier(name)}")
    con.execute("delete from etl._macros where name = $1", [name])
