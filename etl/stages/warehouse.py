"""warehouse: partitions into raw.*, models on top of them, all in build.duckdb, one transaction each.

build.duckdb itself says what it holds (etl._loaded, etl.models), in the same transaction as the data; a step
compares that with what is wanted and does the difference. So a killed step, an old copy and a missing file
are all mended by running again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from time import perf_counter
from typing import TYPE_CHECKING, Any

from etl import engine
from etl.contract import Contract, Source
from etl.errors import StepError, TransformError, WithdrawnError
from etl.keys import BUILD, extract_key, load_key, transform_key
from etl.ledger import Ledger, Receipt, fingerprint, stamp
from etl.models import Model
from etl.project import Project
from etl.quoting import identifier, literal, paths, qualified
from etl.stages.lake.layout import REJECTS, partition_file

if TYPE_CHECKING:
    import duckdb

_TABLES = {
    "etl.runs": "run_id varchar, started_at timestamptz, finished_at timestamptz, outcome varchar, "
    "batch_date date, git_commit varchar",
    "etl.partitions": "source varchar, date date, file varchar, sha256 varchar, records bigint, "
    "rows bigint, rejected bigint, discarded bigint, loaded_at timestamptz, run_id varchar",
    "etl.models": "name varchar, materialized varchar, fingerprint varchar, rows bigint, seconds double, "
    "built_at timestamptz, run_id varchar",
    "etl.checks": "name varchar, table_name varchar, severity varchar, passed boolean, failing bigint, "
    "examples varchar[], run_id varchar",
    "etl.rejects": ", ".join(f"{name} {type}" for name, type in REJECTS.items()),
    "etl._loaded": "source varchar, date date, fingerprint varchar",
    "etl._tables": "source varchar, definition varchar, content varchar",
}

#: What tells whether build.duckdb was made with these tables.
LAYOUT = fingerprint(_TABLES)


@dataclass(frozen=True)
class Partition:
    """A partition as raw.<source> should hold it; `fingerprint` is that of its extract receipt.

    `records` are those of its files: `rows` in the lake, and in quarantine the `rejected` and the `discarded`.
    """

    date: date
    fingerprint: str
    file: str
    sha256: str
    records: int
    rows: int
    rejected: int
    discarded: int


@dataclass(frozen=True)
class Table:
    """raw.<source> as it should be, for the fingerprint `content`.

    The partitions in `anew` are loaded even if they are there; those in `withdrawn` have lost their files.
    """

    source: Source
    content: str
    partitions: Mapping[date, Partition]
    anew: frozenset[date] = frozenset()
    withdrawn: Sequence[date] = ()
    allow_withdrawn: bool = False


@contextmanager
def open_build(project: Project, ledger: Ledger, run_id: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open build.duckdb with the tables of the schema etl; note its stamp when it is closed again."""
    try:
        with engine.building(project) as con:
            _define_own(con)
            yield con
    finally:
        ledger.write(Receipt(BUILD, "", run_id, details={"stamp": stamp(project.build), "layout": LAYOUT}))


def load(project: Project, tables: Sequence[Table], ledger: Ledger, run_id: str) -> list[Receipt]:
    """Make each table hold exactly its partitions, in one transaction; return the receipts, written.

    What was withdrawn leaves the lake too. One table that fails stops no other; StepError comes at the end,
    such as WithdrawnError for a source of which more files than its max_withdrawn are gone.
    """
    import duckdb

    receipts: list[Receipt] = []
    failed: list[StepError] = []
    with open_build(project, ledger, run_id) as con:
        for table in tables:
            try:
                receipts.append(_load(con, project, table, run_id))
            except StepError as error:
                failed.append(error)
            except duckdb.Error as error:
                failed.append(StepError(f"{table.source.table} could not be loaded: {error}"))
    for table in tables:
        if any(receipt.key.name == table.source.name for receipt in receipts):
            _forget_withdrawn(project, table, ledger)
    ledger.write(*receipts)
    if failed:
        raise failed[0] if len(failed) == 1 else StepError("\n".join(map(str, failed)))
    return receipts


def _load(con: duckdb.DuckDBPyConnection, project: Project, table: Table, run_id: str) -> Receipt:
    source, started = table.source, perf_counter()
    if len(table.withdrawn) > source.max_withdrawn and not table.allow_withdrawn:
        raise WithdrawnError(_too_many(source, table.withdrawn))
    with _transaction(con):
        _define(con, source)
        describe(con, source.table, source.contract)
        query = "select date, fingerprint from etl._loaded where source = ?"
        loaded = dict(con.execute(query, [source.name]).fetchall())
        stale = [
            p for p in table.partitions.values() if loaded.get(p.date) != p.fingerprint or p.date in table.anew
        ]
        _delete(con, source, [*(p.date for p in stale), *(day for day in loaded if day not in table.partitions)])
        _insert(con, project, source, stale, run_id)
        con.execute("update etl._tables set content = ? where source = ?", [table.content, source.name])
    details = {"loaded": len(stale), "rows": sum(partition.rows for partition in stale)}
    seconds = perf_counter() - started
    return Receipt(load_key(source.name), table.content, run_id, seconds=seconds, details=details)


def _forget_withdrawn(project: Project, table: Table, ledger: Ledger) -> None:
    for day in table.withdrawn:
        for base in (project.lake, project.quarantine):
            shutil.rmtree(partition_file(base, table.source, day).parent, ignore_errors=True)
    ledger.forget(extract_key(table.source.name, day) for day in table.withdrawn)


def transform(
    project: Project,
    models: Sequence[Model],
    content: dict[str, str],
    ledger: Ledger,
    run_id: str,
    *,
    anew: frozenset[str] = frozenset(),
) -> list[Receipt]:
    """Build `models`, which are in order, each in one transaction; return the receipts, which are written.

    `content` is the fingerprint of each. One that fails stops no other: TransformError comes at the end.
    """
    receipts, problems = [], []
    with open_build(project, ledger, run_id) as con:
        import duckdb

        for model in models:
            try:
                details = _build(con, model, content[model.name], run_id, model.name in anew)
                key = transform_key(model.name)
                receipts.append(
                    Receipt(key, content[model.name], run_id, seconds=details["seconds"], details=details)
                )
            except duckdb.Error as error:
                problems.append(f"{model.name} ({model.file}) could not be built: {error}")
    ledger.write(*receipts)
    if problems:
        raise TransformError("\n".join(problems))
    return receipts


def remove_obsolete(con: duckdb.DuckDBPyConnection, sources: Sequence[str], models: Sequence[str]) -> None:
    """Drop the tables and views that no source and no model of the project makes any more."""
    query = "select name, materialized from etl.models where not list_contains(?, name)"
    for name, kind in con.execute(query, [list(models)]).fetchall():
        con.execute(f"drop {kind} if exists {qualified(name)}")
        con.execute("delete from etl.models where name = ?", [name])
    query = "select source from etl._tables where not list_contains(?, source)"
    for (name,) in con.execute(query, [list(sources)]).fetchall():
        con.execute(f"drop table if exists raw.{identifier(name)}")
        for table in ("_tables", "_loaded", "partitions", "rejects"):
            con.execute(f"delete from etl.{table} where source = ?", [name])


def describe(con: duckdb.DuckDBPyConnection, table: str, contract: Contract) -> None:
    """Make the comments of a table and of its columns what its contract says of them, where they differ."""
    where = "database_name = current_database() and schema_name || '.' || {}_name = $1"
    parts = {"table": "''", "view": "''", "column": "column_name"}
    query = " union all ".join(
        f"select {name}, comment from duckdb_{kind}s() where {where.format('view' if kind == 'view' else 'table')}"
        for kind, name in parts.items()
    )
    wanted = {"": contract.description, **contract.comments()}
    for column, comment in con.execute(query, [table]).fetchall():
        text = wanted.get(column) or None
        if text != comment:
            place = f"column {qualified(table)}.{identifier(column)}" if column else f"table {qualified(table)}"
            con.execute(f"comment on {place} is {literal(text)}")


def contents(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the fingerprint of every table and view that build.duckdb holds, by its own word."""
    raw = "select 'raw.' || source, content from etl._tables"
    return dict(con.execute(f"select name, fingerprint from etl.models union all {raw}").fetchall())


def _define_own(con: duckdb.DuckDBPyConnection) -> None:
    """Make the schemas and the tables of etl's own; if those there have other columns, all is loaded anew."""
    con.execute("create schema if not exists raw; create schema if not exists etl")
    query = (
        "select schema_name || '.' || table_name, list(column_name order by column_index) from duckdb_columns() "
        "where database_name = current_database() and schema_name = 'etl' group by all"
    )
    there = dict(con.execute(query).fetchall())
    wanted = {name: [text.split()[0] for text in columns.split(", ")] for name, columns in _TABLES.items()}
    if any(there.get(name, columns) != columns for name, columns in wanted.items()):
        con.execute("drop schema etl cascade; create schema etl")
    for name, columns in _TABLES.items():
        con.execute(f"create table if not exists {name} ({columns})")


def _define(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Make the table of a source; if it has other columns than the contract now says, make it anew."""
    columns = {column.name: column.type for column in source.contract.columns}
    columns |= {source.partition: columns.get(source.partition, "DATE")}
    columns |= {"_extra": "VARCHAR"} if source.extra == "keep" else {}
    columns |= {"_file": "VARCHAR", "_loaded_at": "TIMESTAMP WITH TIME ZONE"}
    definition = ", ".join(f"{identifier(name)} {type}" for name, type in columns.items())
    table = qualified(source.table)
    row = con.execute("select definition from etl._tables where source = ?", [source.name]).fetchall()
    if row != [(definition,)]:
        for name in ("_loaded", "partitions", "rejects", "_tables"):
            con.execute(f"delete from etl.{name} where source = ?", [source.name])
        con.execute(f"create or replace table {table} ({definition})")
        con.execute("insert into etl._tables values (?, ?, '')", [source.name, definition])


def _delete(con: duckdb.DuckDBPyConnection, source: Source, dates: Sequence[date]) -> None:
    if not dates:
        return
    days = literal(list(dates))
    table, column = qualified(source.table), identifier(source.partition)
    con.execute(f"delete from {table} where list_contains({days}, {column})")
    for name in ("_loaded", "partitions", "rejects"):
        con.execute(f"delete from etl.{name} where source = ? and list_contains({days}, date)", [source.name])


def _insert(
    con: duckdb.DuckDBPyConnection,
    project: Project,
    source: Source,
    partitions: Sequence[Partition],
    run_id: str,
) -> None:
    files = [partition_file(project.lake, source, p.date) for p in partitions if p.rows]
    if files:
        con.execute(
            f"insert into {qualified(source.table)} by name select *, now() as _loaded_at "
            f"from read_parquet({paths(files)}, hive_partitioning = false)"
        )
    rejects = [partition_file(project.quarantine, source, p.date) for p in partitions if p.rejected + p.discarded]
    if rejects:
        con.execute(
            "insert into etl.rejects by name "
            f"from read_parquet({paths(rejects)}, hive_partitioning = false, union_by_name = true)"
        )
    columns = [[getattr(p, name) for p in partitions] for name in Partition.__dataclass_fields__]
    dates, fingerprints, *others = columns
    if partitions:
        con.execute(
            f"insert into etl.partitions select ?, {', '.join(['unnest(?)'] * (len(others) + 1))}, now(), ?",
            [source.name, dates, *others, run_id],
        )
        con.execute("insert into etl._loaded select ?, unnest(?), unnest(?)", [source.name, dates, fingerprints])


def _build(con: duckdb.DuckDBPyConnection, model: Model, content: str, run_id: str, anew: bool) -> dict[str, Any]:
    started = perf_counter()
    known = con.execute(
        "select fingerprint, materialized, rows, seconds from etl.models where name = ?", [model.name]
    ).fetchall()
    if known and known[0][0] == content and not anew:
        return {"rows": known[0][2], "seconds": known[0][3], "built": False}
    name = qualified(model.name)
    with _transaction(con):
        con.execute(f"create schema if not exists {identifier(model.name.split('.')[0])}")
        if known and known[0][1] != model.materialized:
            con.execute(f"drop {known[0][1]} {name}")
        con.execute(f"create or replace {model.materialized} {name} as\n{model.sql}")
        # a view has no rows of its own, and to count them would be to run it
        rows = _count(con, name) if model.materialized == "table" else None
        con.execute("delete from etl.models where name = ?", [model.name])
        seconds = perf_counter() - started
        con.execute(
            "insert into etl.models values (?, ?, ?, ?, ?, now(), ?)",
            [model.name, model.materialized, content, rows, seconds, run_id],
        )
    return {"rows": rows, "seconds": seconds, "built": True}


def _count(con: duckdb.DuckDBPyConnection, name: str) -> int:
    return int(con.execute(f"select count(*) from {name}").fetchall()[0][0])


@contextmanager
def _transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    con.execute("begin")
    try:
        yield
    except BaseException:
        con.execute("rollback")
        raise
    con.execute("commit")


def _too_many(source: Source, withdrawn: Sequence[date]) -> str:
    days = ", ".join(map(str, withdrawn[:3]))
    return (
        f"{source.name}: the files of {len(withdrawn)} published partitions vanished from data/raw "
        f"({days}{', ...' if len(withdrawn) > 3 else ''}), more than max_withdrawn = {source.max_withdrawn}. "
        "Is a folder not mounted? If they were meant to go: "
        f"luigi --module etl Nightly --allow-withdrawn {source.name}"
    )
