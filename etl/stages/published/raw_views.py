"""Tables that are views of files, as readers get them: beside the file lie links to what they read.

The next night replaces files of the lake by others, and never writes to one. So each generation has those of its
night, which take no room for as long as others have them too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
select schema_name || '.' || view_name as name, '', comment from duckdb_views()
where database_name = current_database() and list_contains($1, name)
union all
select schema_name || '.' || table_name as name, column_name, comment from duckdb_columns()
where database_name = current_database() and list_contains($1, name)"""


def publish_views(project: Project, con: duckdb.DuckDBPyConnection, place: Path, name: str) -> None:
    """Make the views of files of a copy of the build those of readers; see [etl] publish_raw for raw ones.

    The files that they read now are linked into the folder `place`, below a name that no other generation has: so
    a view reads its own files, or none. They are on the disk then.
    """
    if project.settings.publish_raw == "no":
        leave_out_views(con)
    folder = place / RAW / name
    con.execute(set_variable(name, one_path(folder)))
    raw, models = raw_views(con), file_views(con)
    views = {f"raw.{source}": (source, sql) for source, sql in raw} | {name: (name, sql) for name, sql in models}
    comments, copied = _comments(con, list(views)), list[Path]()
    for below, sql in views.values():
        copied += _publish_view(con, folder, below, sql)
    for source, sql in raw:
        if not reads_kept(source, sql):
            con.execute(f"drop table if exists {kept_rows(source)}")
    set_comments(con, comments)
    if folder.is_dir():
        manifest = write_raw(place, folder)
        make_read_only(manifest)
        folders = [folder / below for below, _ in views.values() if (folder / below).is_dir()]
        # what is linked is on the disk since it was written
        flush_together([*copied, manifest, *folders, folder, folder.parent])
        flush(place)


def _publish_view(con: duckdb.DuckDBPyConnection, folder: Path, below: str, sql: str) -> list[Path]:
    """Let a view read links to its files, in a folder of that of its generation; return those that are copies."""
    found = FILES.search(sql)
    if not found:
        return []
    links = _linked(files_in(sql), folder / below)
    read = f"read_parquet({_beside(folder.name, below, list(links))}, hive_partitioning = false)"
    made = f"{sql[: found.start()]}{read}{sql[found.end() :]}"
    con.execute(made.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
    return [folder / below / link for link, how in links.items() if how != "linked"]


def _linked(files: Iterable[Path], folder: Path) -> dict[str, str]:
    """Link files into a folder; return the names there, with how: those of the lake are called by their dates."""
    links = {}
    for file in files:
        _, is_of_lake, day = file.parent.name.rpartition("=")
        link = f"{day}.parquet" if is_of_lake else file.name
        links[link] = link_file(file, folder / link)
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


def _comments(con: duckdb.DuckDBPyConnection, views: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the comments of views, and of their columns."""
    found: dict[str, dict[str, str]] = {name: {} for name in views}
    for name, column, text in con.execute(_COMMENTS, [views]).fetchall():
        if text:
            found[name][column] = text
    return found
