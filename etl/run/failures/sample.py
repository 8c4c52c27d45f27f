"""Of a warehouse that is too large for a bundle, few rows: those that make a model fail, if they are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from etl import engine
from etl.engine.quoting import identifier, literal, qualified
from etl.models import Model, with_values
from etl.plan import Plan
from etl.stages.warehouse import define_macros, define_own

if TYPE_CHECKING:
    import duckdb

#: So many rows of each table are kept.
_ROWS = 100_000
_TABLES = "select schema_name, table_name from duckdb_tables() where database_name = 'whole'"


def write_sample(plan: Plan, name: str, target: Path) -> None:
    """Write the part of build.duckdb that a model reads, with at most so many rows of each table.

    Of larger tables, they are those next to each other with which its SELECT still fails: half of them is tried,
    and half of that. If neither half fails alone, they are the first ones.
    """
    model = plan.models.models[name]
    target.parent.mkdir(parents=True, exist_ok=True)
    with engine.in_memory(plan.project) as con:
        con.execute(f"attach {literal(str(plan.project.build))} as whole (read_only)")
        there = {f"{schema}.{table}" for schema, table in con.execute(_TABLES).fetchall()}
        stored, views = _under(plan, model)
        stored = [table for table in (*stored, model.name) if table in there]
        found = _breaking(con, plan, model, stored, views)
        engine.attach_new(plan.project, con, target, "small", is_small=True)
        con.execute("use small")
        for table in sorted(table for table in there if table.startswith("etl.")):
            _make(con, table, f"from whole.{qualified(table)}")
        # they are made again by whoever needs them
        con.execute("delete from etl._macros")
        define_own(con)
        for table in stored:
            first, end = found.get(table, (0, _ROWS))
            _make(con, table, f"from whole.{qualified(table)} where rowid >= {first} and rowid < {end}")
        _make_views(con, plan, views)
        con.execute("use memory")
        con.execute("detach small")


def _under(plan: Plan, model: Model) -> tuple[list[str], list[str]]:
    """Return the stored tables that a model reads, through views too; and these, in order."""
    models = plan.models.models
    views = [name for name in models if name in plan.models.views_under[model.name]]
    reads = [*model.reads, *(read for view in views for read in models[view].reads)]
    return [table for table in dict.fromkeys(reads) if table not in views and not table.startswith("etl.")], views


def _breaking(
    con: duckdb.DuckDBPyConnection, plan: Plan, model: Model, stored: list[str], views: list[str]
) -> Mapping[str, tuple[int, int]]:
    """Return, by table, the range of rows with which the SELECT still fails; none if it cannot be told."""
    sizes = {t: con.execute(f"select count(*) from whole.{qualified(t)}").fetchall()[0][0] for t in stored}
    large = sorted((t for t, size in sizes.items() if size > _ROWS and t != model.name), key=lambda t: sizes[t])
    if not model.kind.is_select or not large:
        return {}
    for table in stored:
        _look_at(con, table, 0, sizes[table])
    define_own(con)
    _make_views(con, plan, views)
    define_macros(con, model.macros, plan.project.variables)
    return (
        dict(_narrowed(con, model, table, sizes[table]) for table in reversed(large)) if _fails(con, model) else {}
    )


def _narrowed(con: duckdb.DuckDBPyConnection, model: Model, table: str, size: int) -> tuple[str, tuple[int, int]]:
    first, end = 0, size
    while end - first > _ROWS:
        middle = (first + end) // 2
        for half in ((first, middle), (middle, end)):
            _look_at(con, table, *half)
            if _fails(con, model):
                first, end = half
                break
        else:
            # it takes rows of both
            _look_at(con, table, first, end)
            return table, (0, _ROWS)
    return table, (first, end)


def _look_at(con: duckdb.DuckDBPyConnection, table: str, first: int, end: int) -> None:
    con.execute(f"create schema if not exists {identifier(table.split('.')[0])}")
    rows = f"from whole.{qualified(table)} where rowid >= {first} and rowid < {end}"
    con.execute(f"create or replace view {qualified(table)} as {rows}")


def _fails(con: duckdb.DuckDBPyConnection, model: Model) -> bool:
    import duckdb

    try:
        con.execute(f"create or replace temp table _etl_tried as\n{model.sql}")
    except duckdb.Error:
        return True
    return False


def _make(con: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    con.execute(f"create schema if not exists {identifier(table.split('.')[0])}")
    con.execute(f"create table {qualified(table)} as {query}")


def _make_views(con: duckdb.DuckDBPyConnection, plan: Plan, views: list[str]) -> None:
    for name, statement in _statements(plan, views):
        con.execute(f"create schema if not exists {identifier(name.split('.')[0])}")
        define_macros(con, plan.models.models[name].macros, plan.project.variables)
        con.execute(statement)


def _statements(plan: Plan, views: list[str]) -> Iterator[tuple[str, str]]:
    for name in views:
        sql = with_values(plan.models.models[name].sql, plan.project.variables)
        yield name, f"create view {qualified(name)} as\n{sql}"
