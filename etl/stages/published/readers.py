"""What of build.duckdb readers get: the published file lacks the tables that only the next build has use for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etl import engine
from etl.engine.quoting import identifier
from etl.project import Project
from etl.stages.published.own import OWN
from etl.stages.published.raw_views import publish_views
from etl.stages.warehouse import STEPS, raw_views, set_comments, transaction

if TYPE_CHECKING:
    import duckdb

#: The hashes of rows, by which two published files are compared.
CONTENTS = "etl.contents"
_HASHES = f"""
create table {CONTENTS} as
select name as table_name, date, partition as partition_column, content from etl._hashes order by all"""
_TABLES = (
    "select table_name from duckdb_tables() where database_name = current_database() and schema_name = 'etl' "
    "and not list_contains($1, 'etl.' || table_name)"
)
#: The catalog name of the published file while it is finished.
_NAME = "published"


def leave_to_readers(project: Project, file: Path, generation: str) -> None:
    """Drop all tables of etl's own from a copy of build.duckdb that are not for readers.

    Of the hashes of rows what readers can compare stays, as etl.contents. Raw views read files beside it.
    """
    with engine.in_memory(project) as con:
        engine.attach_new(project, con, file, _NAME)
        con.execute(f"use {_NAME}")
        publish_views(project, con, file.parent, generation)
        _finish(con)
        con.execute("use memory")
        con.execute(f"detach {_NAME}")


def _finish(con: duckdb.DuckDBPyConnection) -> None:
    kept = [f"etl.{source} kept" for source, _ in raw_views(con)]
    internal = [row[0] for row in con.execute(_TABLES, [[*OWN, STEPS, *kept]]).fetchall()]
    with transaction(con):
        con.execute(_HASHES)
        set_comments(con, {CONTENTS: OWN[CONTENTS]})
        con.execute("; ".join(f"drop table etl.{identifier(name)}" for name in internal))
    con.execute("checkpoint")
