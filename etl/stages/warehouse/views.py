"""Raw tables that are views over the lake: rows are read where they lie, and are not copied into build.duckdb.

A view names the files of the partitions that are loaded, never a pattern: what no receipt knows is not there. Only
what an earlier contract has accepted, and the next one could not read, is in a table beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier, literal, named_path, paths, qualified
from etl.models import KINDS
from etl.project import Project
from etl.project.settings import Settings
from etl.sources import Source
from etl.stages.lake.layout import partition_file

if TYPE_CHECKING:
    import duckdb

#: A text in the SQL of a view.
_TEXT = re.compile(r"'((?:[^']|'')*)'")
#: The files of a view, as DuckDB writes its SQL.
FILES = re.compile(
    rf"read_parquet\(list_value\(({_TEXT.pattern}(?:, {_TEXT.pattern})*)\), \(hive_partitioning = false\)\)"
)

_NAME = r'(?:"(?:[^"]|"")+"|[^\s".]+)'
#: What stands before the SELECT of a view, as DuckDB writes it.
_MADE = re.compile(rf"CREATE VIEW {_NAME}\.{_NAME} AS ")

_VIEWS = (
    "select view_name, sql from duckdb_views() where database_name = current_database() and schema_name = 'raw' "
    "and not internal"
)

#: The models that hold rows, and are views: of the files of their partitions.
FILE_VIEWS = (
    "select name, sql from duckdb_views() join etl.models on name = schema_name || '.' || view_name "
    "where database_name = current_database() and not internal and list_contains("
    f"{literal([name for name, kind in KINDS.items() if kind.is_stored])}, materialized)"
)


def is_to_be_view(settings: Settings, source: Source, rows: int, *, was_view: bool) -> bool:
    """Return whether a raw table of so many rows is to be a view over the lake; by itself, one that is stays one.

    What is published without the views lacks their rows: then a source must say that it is to be one.
    """
    if source.load != "auto":
        return source.is_view
    is_asked = settings.view_rows > 0 and settings.publish_raw != "no" and not source.history
    return is_asked and (was_view or rows > settings.view_rows)


def decided(
    con: duckdb.DuckDBPyConnection, project: Project, source: Source, rows: int, was_view: bool | None
) -> Source:
    """Return a source that says whether its raw table of so many rows is a view; see Table.was_view."""
    found = copy(source)
    if was_view is None:
        was_view = is_view(con, source.table)
    found.load = "view" if is_to_be_view(project.settings, source, rows, was_view=was_view) else "table"
    return found


def kept_rows(source: str) -> str:
    """Return the SQL name of the table of the rows that cannot be read from the lake as the contract is now."""
    return f"{identifier('etl')}.{identifier(f'{source} kept')}"


def reads_kept(source: str, sql: str) -> bool:
    """Return whether the SQL of a view, as DuckDB writes it, reads that table too."""
    return f"etl.{identifier(f'{source} kept')}" in sql


def rows_of(source: Source) -> str:
    """Return the SQL name of the table that rows of a source are put into."""
    return kept_rows(source.name) if source.is_view else qualified(source.table)


def lake_rows(source: str, columns: Mapping[str, str], partition: str, files: Sequence[Path]) -> str:
    """Return the SELECT of the rows in files of the lake, with the columns and types of raw.<source>.

    When they were loaded is what etl.partitions says.
    """
    *given, loaded_at = columns
    selected = ", ".join(f"cast(r.{identifier(name)} as {columns[name]}) as {identifier(name)}" for name in given)
    return (
        f"select {selected}, p.loaded_at as {identifier(loaded_at)} "
        f"from read_parquet({paths(files)}, hive_partitioning = false) as r "
        f"left join etl.partitions as p on p.source = {literal(source)} and p.date = r.{identifier(partition)}"
    )


def make_view(con: duckdb.DuckDBPyConnection, project: Project, source: Source) -> None:
    """Make raw.<source> a view of the partitions that are loaded, with the columns and types of its table."""
    kept, day = kept_rows(source.name), identifier(source.partition)
    query = (
        "select date from etl.partitions where source = ? and rows > 0 "
        f"and date not in (select distinct {day}::date from {kept}) order by date"
    )
    days = [found for (found,) in con.execute(query, [source.name]).fetchall()]
    has_kept = con.execute(f"select exists(from {kept})").fetchall()[0][0]
    parts = []
    if days:
        files = [partition_file(project.lake, source, found) for found in days]
        parts.append(lake_rows(source.name, source.columns, source.partition, files))
    if has_kept or not days:
        parts.append(f"select {', '.join(map(identifier, source.columns))} from {kept}")
    # of a build that is only a part of another one, its rows are in a table
    drop(con, source.table, only="table")
    con.execute(f"create or replace view {qualified(source.table)} as {' union all '.join(parts)}")


def remake_moved(con: duckdb.DuckDBPyConnection, project: Project) -> None:
    """Let views read the files of this project: the data was moved, or build.duckdb is a copy of another's."""
    views = [(project.lake / name, sql) for name, sql in raw_views(con)]
    views += [(project.parts / name, sql) for name, sql in file_views(con)]
    for folder, sql in views:
        new, mark = _quoted(folder), f"/{folder.name}/"
        files = sql.partition("list_value('")[2]
        old = f"{files.partition(mark)[0]}{mark}"
        if files and old != new and folder.is_dir():
            con.execute(sql.replace(f"'{old}", f"'{new}").replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))


def _quoted(folder: Path) -> str:
    """Return how a view begins the paths of the files in a folder."""
    return paths([folder]).removeprefix("['").removesuffix("']") + "/"


def raw_views(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return the sources whose raw table is a view over the lake, each with the SQL of the view."""
    return con.execute(_VIEWS).fetchall()


def file_views(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Return the models whose table is a view of files, each with the SQL of the view."""
    return con.execute(FILE_VIEWS).fetchall()


def files_in(sql: str) -> list[Path]:
    """Return the files that a view reads, by its SQL as DuckDB writes it."""
    found = FILES.search(sql)
    return [Path(named_path(text.replace("''", "'"))) for text in _TEXT.findall(found[1])] if found else []


def all_views(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the SQL of each table that is a view of files, raw or of a model."""
    return {f"raw.{name}": sql for name, sql in raw_views(con)} | dict(file_views(con))


def rows_of_days(con: duckdb.DuckDBPyConnection, table: str, sql: str, days: Sequence[date | None]) -> str:
    """Return the rows of partitions of a view as SQL, which may have others too: those of their files.

    The view itself, whose SQL is given, would open the files of all partitions.
    """
    query = (
        "select distinct file from etl._files where name = $1 and list_contains($2, coalesce(date::varchar, ''))"
    )
    named = {name for (name,) in con.execute(query, [table, [str(day or "") for day in days]]).fetchall()}
    # a partition of the lake is a folder of its date
    folders = {str(day) for day in days if day}
    files = [
        file for file in files_in(sql) if file.name in named or file.parent.name.rpartition("=")[2] in folders
    ]
    found, made = FILES.search(sql), _MADE.match(sql)
    if not files or not found or not made:
        return qualified(table)
    read = f"read_parquet({paths(files)}, hive_partitioning = false)"
    return f"({sql[made.end() : found.start()]}{read}{sql[found.end() :].rstrip(';')})"


def is_view(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Return whether a table, as schema.table, is a view: of those that hold rows, one of files."""
    query = (
        "select exists(from duckdb_views() where database_name = current_database() and not internal "
        f"and schema_name || '.' || view_name = {literal(table)})"
    )
    return bool(con.execute(query).fetchall()[0][0])


def count_rows(
    con: duckdb.DuckDBPyConnection, table: str, views: Callable[[], Mapping[str, str]] | None = None
) -> int:
    """Return how many rows a table has; of a view over the lake what its files say, without reading them.

    `views` gives the SQL of the raw views for one who knows it.
    """
    schema, _, name = table.partition(".")
    sql = (views() if views else dict(raw_views(con))).get(name, "") if schema == "raw" else ""
    counted = [f"from {qualified(table)}"]
    if found := FILES.search(sql):
        counted = [f"from {found[0]}", *([f"from {kept_rows(name)}"] if reads_kept(name, sql) else [])]
    query = " + ".join(f"(select count(*) {rows})" for rows in counted)
    return int(con.execute(f"select {query}").fetchall()[0][0])


def drop_raw(con: duckdb.DuckDBPyConnection, source: str) -> None:
    """Drop the table or view of a source, and what is beside it, if they are there."""
    drop(con, f"raw.{source}")
    con.execute(f"drop table if exists {kept_rows(source)}")


def drop(con: duckdb.DuckDBPyConnection, name: str, only: str = "") -> bool:
    """Drop a table or a view, or the one of them that `only` says, if it is there; return whether it was."""
    query = " union all ".join(
        f"select '{what}' from duckdb_{what}s() where database_name = current_database() "
        f"and schema_name || '.' || {what}_name = $1"
        for what in ("table", "view")
    )
    found = [what for (what,) in con.execute(query, [name]).fetchall() if what == (only or what)]
    for what in found:
        con.execute(f"drop {what} {qualified(name)}")
    return bool(found)


def leave_out_views(con: duckdb.DuckDBPyConnection) -> None:
    """Drop the raw views from a copy that is for readers: the next night replaces the files that they read."""
    for name, _ in con.execute(_VIEWS).fetchall():
        con.execute(f"drop view {qualified(f'raw.{name}')}")
        con.execute(f"drop table if exists {kept_rows(name)}")
