"""build.duckdb: the file, the tables of the schema etl in it, and what they say that it holds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from etl import engine
from etl.contract import Contract
from etl.contract.audit import COUNT_COLUMNS, ROW_COUNTS
from etl.engine.quoting import identifier, literal, qualified
from etl.errors import StepError, few, sentence
from etl.ledger import Ledger, Receipt, RowCount, fingerprint, stamp
from etl.ledger.keys import BUILD, transform_key
from etl.project import Project
from etl.stages.lake.layout import REJECTS
from etl.stages.warehouse.command_files import forget
from etl.stages.warehouse.part_files import restore_parts
from etl.stages.warehouse.views import drop, drop_raw, remake_moved

if TYPE_CHECKING:
    import duckdb

_TABLES = {
    "etl.runs": "run_id varchar, started_at timestamptz, finished_at timestamptz, outcome varchar, "
    "batch_date date, git_commit varchar",
    "etl.partitions": "source varchar, date date, file varchar, sha256 varchar, records bigint, "
    "rows bigint, rejected bigint, discarded bigint, lines bigint, skipped bigint, loaded_at timestamptz, "
    "run_id varchar",
    "etl.models": "name varchar, materialized varchar, fingerprint varchar, rows bigint, seconds double, "
    "built_at timestamptz, run_id varchar",
    "etl.checks": "name varchar, table_name varchar, severity varchar, passed boolean, failing bigint, "
    "examples varchar[], run_id varchar",
    "etl.rejects": ", ".join(f"{name} {type}" for name, type in REJECTS.items()),
    "etl._loaded": "source varchar, date date, fingerprint varchar, is_taken boolean",
    "etl._tables": "source varchar, definition varchar, content varchar",
    "etl._builds": "name varchar, definition varchar, inputs varchar, version varchar, text varchar, "
    "full_seconds double",
    "etl._partitions": "name varchar, date date, inputs varchar, version varchar, rows bigint",
    "etl._files": "name varchar, date date, file varchar, rows bigint, bytes bigint",
    "etl._macros": "name varchar, sql varchar",
    "etl._hashes": "name varchar, date date, basis varchar, content varchar, partition varchar",
    "etl._removed": "source varchar, is_scrubbed boolean",
}

#: The history, in the order of the ledger's own; it says nothing of what build.duckdb holds.
STEPS = "etl.steps"
_HISTORY = {
    STEPS: "run_id varchar, step varchar, name varchar, partitions varchar, started_at timestamptz, "
    "seconds double, cpu_seconds double, rows_in bigint, rows_out bigint, rejected bigint, bytes_read bigint, "
    "bytes_written bigint, peak_memory_bytes bigint, attempts integer, outcome varchar, why varchar, "
    "message varchar, did varchar, warnings varchar[], parts integer",
}

#: Sources whose personal data was deleted; `is_scrubbed` once no byte of it is left in the file.
NOTED = "etl._removed"

#: What a build of an earlier etl lacks, and loses nothing by: it is made empty. Not one whose columns changed.
_ADDED = {"etl._files"}

#: What tells whether build.duckdb was made with these tables.
LAYOUT = fingerprint({name: columns for name, columns in _TABLES.items() if name not in _ADDED})


@dataclass
class _Kept:
    """A build.duckdb that stays open from step to step, in the process `pid` only."""

    pid: int
    stack: ExitStack = field(default_factory=ExitStack)
    con: duckdb.DuckDBPyConnection | None = None


_kept: dict[Path, _Kept] = {}

#: Of a lake of so many bytes the tables are small: most of a large block would be empty.
_SMALL_BYTES = 4_000_000


def keep_build_open(project: Project) -> None:
    """Let build.duckdb stay open from step to step of this process until close_build(); to open it costs 20 ms.

    A forked child opens and closes it for itself.
    """
    _kept[project.build] = _Kept(os.getpid())


def close_build(project: Project) -> None:
    """Close a build.duckdb that was kept open, so that its file holds all of it, and keep it so no longer."""
    kept = _kept.get(project.build)
    if kept and kept.pid == os.getpid():
        del _kept[project.build]
        kept.stack.close()


@contextmanager
def open_build(project: Project, ledger: Ledger, run_id: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open build.duckdb with the tables of the schema etl; note its stamp when it is closed again."""
    kept = _kept.get(project.build)
    if kept is None or kept.pid != os.getpid():
        with _opened(project, ledger, run_id) as con:
            yield con
        return
    if kept.con is None:
        kept.con = kept.stack.enter_context(_opened(project, ledger, run_id))
    try:
        yield kept.con
    except BaseException:
        kept.con = None
        kept.stack.__exit__(*sys.exc_info())
        raise


@contextmanager
def _opened(project: Project, ledger: Ledger, run_id: str) -> Iterator[duckdb.DuckDBPyConnection]:
    # if the run was planned with what it holds, the plan lacks what is to be done without it
    is_counted_on = ledger.receipt(BUILD) is not None
    if is_counted_on and not project.build.exists():
        raise StepError(f"{project.build} is gone since the run began. {engine.REBUILT}")
    try:
        is_small = not project.build.exists() and _lake_bytes(ledger) < _SMALL_BYTES
        with engine.building(project, not is_counted_on, is_small) as con:
            define_own(con)
            _restore(con, project, ledger)
            remake_moved(con, project)
            yield con
    finally:
        note_stamp(project, ledger, run_id)


def _restore(con: duckdb.DuckDBPyConnection, project: Project, ledger: Ledger) -> None:
    """Have the files of models' partitions. Raises StepError if some are lost: the next run builds them again."""
    if lost := restore_parts(con, project):
        for name in lost:
            drop_model(con, name)
        ledger.forget(map(transform_key, lost))
        raise StepError(
            f"{project.parts} lacks files of {few(lost)}, and no generation has them. Nothing is lost: run again, "
            "and they are rebuilt."
        )


def _lake_bytes(ledger: Ledger) -> int:
    """Return the size of what is to be loaded."""
    taken = (r.details.get("lake") for key, r in ledger.receipts().items() if key.step == "extract")
    return sum(lake[0] for lake in taken if lake)


def note_stamp(project: Project, ledger: Ledger, run_id: str) -> None:
    """Record that build.duckdb is as it was left."""
    ledger.write(Receipt(BUILD, "", run_id, details={"stamp": stamp(project.build), "layout": LAYOUT}))


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what is done within, or nothing of it. Raises StepError if it can be neither."""
    import duckdb

    con.execute("begin")
    try:
        yield
    except BaseException as error:
        try:
            con.execute("rollback")
        except duckdb.Error as failed:
            what = f"{failed}, after: {error}"
            raise StepError(f"The failed step could not be rolled back: {sentence(what)} Run again.") from error
        raise
    con.execute("commit")


def remove_obsolete(con: duckdb.DuckDBPyConnection, sources: Sequence[str], models: Sequence[str]) -> None:
    """Drop the tables and views that no source and no model of the project makes any more."""
    query = "select name from etl.models where not list_contains(?, name)"
    for (name,) in con.execute(query, [list(models)]).fetchall():
        drop_model(con, name)
    query = "select source from etl._tables where not list_contains(?, source)"
    for (name,) in con.execute(query, [list(sources)]).fetchall():
        drop_raw(con, name)
        for table in ("_tables", "_loaded", "partitions", "rejects"):
            con.execute(f"delete from etl.{table} where source = ?", [name])
        # its contract is gone too, so nobody knows whether it had personal data
        con.execute(f"insert into {NOTED} values (?, false)", [name])


def drop_model(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Drop the table or view of a model, if there is one, and what the schema etl knows of it."""
    drop(con, name)
    con.execute(f"drop table if exists {deleted_rows(name)}")
    for table in ("models", "_builds", "_partitions", "_files", "_hashes"):
        con.execute(f"delete from etl.{table} where name = ?", [name])
    forget(con, name)


def deleted_rows(model: str) -> str:
    """Return the SQL name of the table that keeps the deleted rows of a merge, until a newer row comes."""
    return qualified("etl") + "." + identifier(f"{model} deleted")


def describe(con: duckdb.DuckDBPyConnection, table: str, contract: Contract) -> None:
    """Make the comments of a table and of its columns what its contract says of them, if it says something."""
    said = {"": contract.description, **contract.comments()}
    set_comments(con, {table: {name: text for name, text in said.items() if text}})


def set_comments(con: duckdb.DuckDBPyConnection, wanted: Mapping[str, Mapping[str, str]]) -> None:
    """Make the comments of tables, and of their columns, those that are wanted, where they differ.

    `wanted` are the comments by table and column; an empty name stands for the table itself. An empty text removes
    a comment; a column that is not named keeps its own.
    """
    where = (
        "database_name = current_database() and schema_name || '.' || {}_name in (select unnest($1::varchar[]))"
    )
    parts = {"table": "''", "view": "''", "column": "column_name"}
    query = " union all ".join(
        f"select '{kind}', schema_name, {owner}_name, {name}, comment "
        f"from duckdb_{kind}s() where {where.format(owner)}"
        for kind, name in parts.items()
        for owner in ["view" if kind == "view" else "table"]
    )
    changes = []
    for kind, schema, name, column, comment in con.execute(query, [list(wanted)]).fetchall():
        text = wanted[f"{schema}.{name}"].get(column)
        if text is not None and text != (comment or ""):
            place = ".".join(identifier(part) for part in (schema, name, column) if part)
            changes.append(f"comment on {kind} {place} is {literal(text or None)}")
    if changes:
        con.execute("; ".join(changes))


def empty(con: duckdb.DuckDBPyConnection) -> None:
    """Drop every schema of an open database but the schema etl, of which the tables lose their rows."""
    with transaction(con):
        query = (
            "select schema_name from duckdb_schemas() where database_name = current_database() "
            "and not internal and schema_name not in ('etl', 'main')"
        )
        for (schema,) in con.execute(query).fetchall():
            con.execute(f"drop schema {identifier(schema)} cascade")
        query = (
            "select table_name from duckdb_tables() where database_name = current_database() "
            "and schema_name = 'etl' and estimated_size > 0"
        )
        for (name,) in con.execute(query).fetchall():
            con.execute(f"delete from etl.{identifier(name)}")


def contents(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the fingerprint of every table and view that build.duckdb holds, by its own word."""
    raw = "select 'raw.' || source, content from etl._tables"
    return dict(con.execute(f"select name, fingerprint from etl.models union all {raw}").fetchall())


def define_own(con: duckdb.DuckDBPyConnection) -> None:
    """Make the schemas and the tables of etl's own; if those there have other columns, all is loaded anew."""
    con.execute("create schema if not exists raw; create schema if not exists etl")
    query = (
        "select schema_name || '.' || table_name, list(column_name order by column_index) from duckdb_columns() "
        "where database_name = current_database() and schema_name = 'etl' group by all"
    )
    there = dict(con.execute(query).fetchall())
    wanted = {name: [text.split()[0] for text in columns.split(", ")] for name, columns in _TABLES.items()}
    is_other = any(there.get(name, columns) != columns for name, columns in wanted.items())
    if is_other:
        con.execute("drop schema etl cascade; create schema etl")
    for name, columns in _HISTORY.items():
        if there.get(name, columns) != [text.split()[0] for text in columns.split(", ")]:
            con.execute(f"drop table if exists {name}")
    for name, columns in {**_TABLES, **_HISTORY}.items():
        con.execute(f"create table if not exists {name} ({columns})")
    if is_other:
        # what an earlier etl removed and noted, or did not note, is not known any more
        con.execute(f"insert into {NOTED} values ('any source', false)")


def write_row_counts(con: duckdb.DuckDBPyConnection, counts: Sequence[RowCount]) -> None:
    """Make etl.row_counts hold these counts and no others; without any, it keeps those that it has."""
    columns = ", ".join(f"{identifier(name)} {type}" for name, type in COUNT_COLUMNS)
    con.execute(f"create table if not exists {ROW_COUNTS} ({columns})")
    # of a ledger that was lost, this is the only place where they are
    if values := [list(column) for column in zip(*map(astuple, counts), strict=True)]:
        with transaction(con):
            con.execute(f"delete from {ROW_COUNTS}")
            con.execute(
                f"insert into {ROW_COUNTS} select unnest(?), unnest(?)::date, unnest(?), unnest(?), unnest(?)",
                values,
            )
