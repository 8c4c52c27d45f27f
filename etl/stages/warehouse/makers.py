"""What makes the table or view of a model in DuckDB, for each kind of model: see models/kinds.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from etl.engine.quoting import qualified
from etl.models import with_values
from etl.models.kinds import COMMAND, INCREMENTAL, MERGE, PYTHON, SCD2, TABLE, VIEW
from etl.stages.warehouse import command, history, incremental, merge, part_files, program
from etl.stages.warehouse.work import Build, State, Work

if TYPE_CHECKING:
    import duckdb

#: Makes all of a model, or what Work says, within a transaction, and returns its rows if they are known.
Maker = Callable[["duckdb.DuckDBPyConnection", Build, Work, State], int | None]


def make_view(con: duckdb.DuckDBPyConnection, build: Build, todo: Work, state: State) -> None:
    """Make the view; the values of variables are written into it, since who queries it has not set them."""
    sql = with_values(build.model.sql, build.variables)
    con.execute(f"create or replace view {qualified(build.model.name)} as\n{sql}")


def make_table(con: duckdb.DuckDBPyConnection, build: Build, todo: Work, state: State) -> int:
    """Make the table of all rows, or a view of the file of them; return how many there are."""
    if build.model.name in state.filed and not build.parts:
        part_files.forget_files(con, build.model.name)
    if build.elsewhere and (rows := build.elsewhere.make(con, build)) is not None:
        return rows
    if build.parts:
        return part_files.make_whole(con, build)
    found = con.execute(f"create or replace table {qualified(build.model.name)} as\n{build.model.sql}").fetchall()
    return int(found[0][0])


#: The maker of each kind, by its name. A kind without one, and the reverse, fails tests/models/test_kinds.py.
MAKERS: Mapping[str, Maker] = {
    VIEW.name: make_view,
    TABLE.name: make_table,
    INCREMENTAL.name: incremental.make,
    MERGE.name: merge.make,
    SCD2.name: history.make,
    PYTHON.name: program.make,
    COMMAND.name: command.make,
}
