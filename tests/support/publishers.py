"""Other projects, for those that read what they publish: generations are made without a night."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from etl.project import Project, load_project
from etl.stages.published import FILE, Contents, Generation, switch, write_record

_numbers = itertools.count()
#: The columns of a table and its rows; or a statement that makes it.
Made = tuple[str, Sequence[tuple[Any, ...]]] | str


def project(root: Path, settings: str = "") -> Project:
    """Make a project without sources."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "luigi.cfg").write_text(f"[etl]\nthreads = 1\n{settings}")
    return load_project(root)


def publish(project: Project, tables: Mapping[str, Made], partitions: Mapping[str, str] | None = None) -> str:
    """Publish a generation with these tables, some by the dates of a column, and switch to it; return its name."""
    name = f"20240301T000000-{next(_numbers):06}"
    folder = project.generations / name
    folder.mkdir(parents=True)
    with duckdb.connect(str(folder / FILE)) as con:
        for table, made in tables.items():
            con.execute(f"create schema if not exists {table.partition('.')[0]}")
            if isinstance(made, str):
                con.execute(made)
            else:
                con.execute(f"create table {table} ({made[0]})")
                if made[1]:
                    con.executemany(f"insert into {table} values ({', '.join('?' * len(made[1][0]))})", made[1])
        contents = {table: _contents(con, table) for table in tables}
        con.execute("create schema etl")
        con.execute("create table etl.contents (table_name text, date date, partition_column text, content text)")
        for table, column in (partitions or {}).items():
            con.execute(
                f"insert into etl.contents select '{table}', {column}, '{column}', "
                f"count(*) || '-' || bit_xor(hash(t))::varchar from {table} t group by all"
            )
    record = Generation(
        generation=name,
        run_id=name,
        published_at=datetime.now(UTC).isoformat(),
        tables=contents,
        bytes=(folder / FILE).stat().st_size,
    )
    write_record(folder, record)
    switch(project, name)
    return name


def _contents(con: duckdb.DuckDBPyConnection, table: str) -> Contents:
    """Return what a record says of a table: of a view, what stands for its SQL."""
    views = con.execute("select schema_name || '.' || view_name, sql from duckdb_views()").fetchall()
    if sql := dict(views).get(table):
        return Contents("view", None, hashlib.sha256(sql.encode()).hexdigest())
    rows = sorted(map(str, con.execute(f"from {table}").fetchall()))
    described = con.execute(f"describe {table}").fetchall()
    return Contents("table", len(rows), hashlib.sha256(str((described, rows)).encode()).hexdigest())
