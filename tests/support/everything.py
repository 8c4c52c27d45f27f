"""Everything that a project has written below data/, as text: what must not be in there, can be looked for."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb

from etl.engine.quoting import literal, qualified
from etl.project import Project


def written(project: Project) -> Iterator[tuple[str, str]]:
    """Yield the content of every file that was written, as bytes and as what its format says."""
    for path in sorted(project.data.rglob("*")):
        if not path.is_file() or path.is_relative_to(project.raw):
            continue
        name = str(path.relative_to(project.data))
        yield name, path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            yield from ((name, text) for text in parquet(path))
        elif path.suffix == ".duckdb":
            yield from ((name, text) for text in database(path))
        elif path.suffix == ".sqlite":
            yield from ((name, text) for text in ledger(path))


def parquet(path: Path) -> Iterator[str]:
    file = literal(str(path))
    with duckdb.connect() as con:
        for query in (
            f"from read_parquet({file})",
            f"select decode(key), decode(value) from parquet_kv_metadata({file})",
            f"from parquet_metadata({file})",
        ):
            yield str(con.execute(f"select columns(*)::varchar from ({query})").fetchall())


def database(path: Path) -> Iterator[str]:
    with duckdb.connect(str(path), read_only=True) as con:
        tables = con.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
        yield str(con.execute("select columns(*)::varchar from duckdb_columns()").fetchall())
        for (table,) in tables:
            yield str(con.execute(f"select columns(*)::varchar from {qualified(table)}").fetchall())


def ledger(path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(path)) as con:
        for (table,) in con.execute("select name from sqlite_master where type = 'table'").fetchall():
            yield str(con.execute(f'select * from "{table}"').fetchall())
