"""Tables that are views of files, as readers get them: beside the file lie links to what they read.

The next night replaces files of the lake by others, and never writes to one. So each generation has those of its
night, which take no room for as long as others have them too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.beside import VARIABLE
from etl.engine.quoting import literal, one_path, set_variable
from etl.project.files import flush, flush_together, link_file, make_read_only
from etl.project.others import RAW
from etl.stages.published.raw_files import write_raw
from etl.stages.warehouse import file_views, kept_rows, leave_out_views, raw_views, reads_kept, set_comments
from etl.stages.warehouse.views import FILES, files_in

if TYPE_CHECKING:
    import duckdb

    from etl.project import Project

_COMMENTS = """
select '', comment from duckdb_views()
where database_name = current_database() and schema_name || '.' || view_name = $1
union all
select column_name, comment from duckdb_columns()
where database_name = current_database() and schema_name || '.' || table_name = $1"""


def publish_views(project: Project, con: duckdb.DuckDBPyConnection, place: Path, name: str) -> None:
    """Make the views of files of a copy of the build those of readers; see [etl] publish_raw for raw ones.

    The files that they read now are linked into the folder `place`, below a name that no other generation has: so
    a view reads its own files, or none. They are on the disk then.
    """
    if project.settings.publish_raw == "no":
        leave_out_views(con)
    folder = place / RAW / name
    con.execute(set_variable(name, one_path(folder)))
    for source, sql in raw_views(con):
        _publish_view(con, folder, source, f"raw.{source}", sql)
        if not reads_kept(source, sql):
            con.execute(f"drop table if exists {kept_rows(source)}")
    for model, sql in file_views(con):
        _publish_view(con, folder, model, model, sql)
    if folder.is_dir():
        *files, manifest = write_raw(place, folder)
        make_read_only(manifest)
        flush_together([*files, manifest, *{file.parent for file in files}, folder, folder.parent])
        flush(place)


def _publish_view(con: duckdb.DuckDBPyConnection, folder: Path, below: str, table: str, sql: str) -> None:
    """Let a view read links to its files, in the folder `below` that of its generation."""
    if found := FILES.search(sql):
        comments = _comments(con, table)
        links = _linked(files_in(sql), folder / below)
        read = f"read_parquet({_beside(folder.name, below, links)}, hive_partitioning = false)"
        made = f"{sql[: found.start()]}{read}{sql[found.end() :]}"
        con.execute(made.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
        set_comments(con, {table: comments})


def _linked(files: Iterable[Path], folder: Path) -> list[str]:
    """Link files into a folder; return their names there: those of the lake are called by their dates."""
    links = []
    for file in files:
        _, is_of_lake, day = file.parent.name.rpartition("=")
        links.append(f"{day}.parquet" if is_of_lake else file.name)
        link_file(file, folder / links[-1])
    return links


def _beside(name: str, source: str, links: Iterable[str]) -> str:
    """Return the files of a view as SQL: in the folder that somebody has named, or beside the file that is open.

    DuckDB spills to FILE.tmp, unless somebody says otherwise: so a view can tell where its file is.
    """
    spills = "regexp_replace(current_setting('temp_directory'), '[.]duckdb[.]tmp$', '.raw')"
    opened = f"regexp_replace({spills}, '[*?\\[]', '[\\0]', 'g')"
    folder = f"coalesce(getvariable({literal(VARIABLE)}), {opened}) || {literal(f'/{name}')}"
    base = f"coalesce(getvariable({literal(name)}), {folder}) || {literal(f'/{source}/')}"
    # without a lambda, which older clients write in another way
    return f"string_split(replace({literal(chr(10).join(f'>{link}' for link in links))}, '>', {base}), chr(10))"


def _comments(con: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Return the comments of a view, and of its columns."""
    return {column: text for column, text in con.execute(_COMMENTS, [table]).fetchall() if text}
