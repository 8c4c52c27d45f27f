"""Building partitions of a model from files of the lake and of other models, in whatever process."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from etl import engine
from etl.engine.quoting import identifier, literal, qualified
from etl.errors import EtlError, StepError
from etl.project import Project
from etl.project.files import make_read_only, sha256, written_aside
from etl.run.jobs.part import Input, PartAnswer, PartJob, Read
from etl.stages.warehouse import views
from etl.stages.warehouse.part_writing import copy_in_order, rows_in

if TYPE_CHECKING:
    import duckdb


def parts_folder(project: Project) -> Path:
    """Return where the files of jobs lie until the run takes them in."""
    return project.scratch / "parts"


def changed_input(project: Project, job: PartJob) -> str:
    """Return what is not as the run found it, of all the files that a job reads; empty if all are."""
    for file in (file for table in job.tables for file in table.files):
        path = project.data / file.path
        try:
            if path.stat().st_size == file.size and sha256(path) == file.sha256:
                continue
        except OSError as error:
            return f"{path} cannot be read: {error.strerror}"
        return f"{path} is another file than the one that the run has"
    return ""


def make_part(project: Project, aside: Project, job: PartJob) -> PartAnswer:
    """Build the partitions of a job, by way of the scratch of `aside`; return the receipt of their file.

    The file is the same, byte for byte, whoever makes it: one thread, and its rows in the order of all columns.
    Raises what DuckDB says of the SELECT.
    """
    target = parts_folder(project) / job.target
    with engine.in_memory(aside) as con:
        con.execute("set threads = 1")
        _define(con, project, job)
        rows = f"select * from (\n{job.sql}\n) where {identifier(job.partition)} in ({_days(job.days)})"
        with written_aside(target, aside.scratch) as path:
            count = copy_in_order(con, f"({rows})", job.columns, path)
            # who takes it in may be somebody else
            make_read_only(path)
            made = PartAnswer(target=job.target, rows=count, size=path.stat().st_size, sha256=sha256(path))
    return made


def as_text(error: Exception) -> str:
    """Return what an error says, as whoever builds the model here would see it."""
    import duckdb

    own = isinstance(error, duckdb.Error | StepError | EtlError)
    return str(error) if own else f"{type(error).__name__}: {error}"


def _days(days: Iterable[str]) -> str:
    return ", ".join(f"date {literal(day)}" for day in days)


def _define(con: duckdb.DuckDBPyConnection, project: Project, job: PartJob) -> None:
    """Make what the SELECT reads: the raw tables as views of files, and the macros and views of the project."""
    names = {"etl.partitions", *(table.name for table in job.tables), *(name for name, _ in job.uses)}
    for schema in sorted({name.split(".")[0] for name in names if "." in name}):
        con.execute(f"create schema if not exists {identifier(schema)}")
    con.execute("create table etl.partitions (source varchar, date date, loaded_at timestamptz)")
    for table in job.tables:
        _define_table(con, project, table)
    # two of them may use the same macro
    for statement in dict.fromkeys(statement for _, statement in job.uses):
        con.execute(statement)


def _define_table(con: duckdb.DuckDBPyConnection, project: Project, table: Read) -> None:
    if not table.files:
        columns = ", ".join(f"{identifier(name)} {type}" for name, type in table.columns.items())
        con.execute(f"create table {qualified(table.name)} ({columns})")
        return
    if table.is_model:
        rows = rows_in(table.columns.items(), _paths(project, table.files))
        con.execute(f"create view {qualified(table.name)} as {rows}")
        return
    source = table.name.partition(".")[2]
    con.execute(
        "insert into etl.partitions select $1, unnest($2)::date, make_timestamptz(unnest($3::bigint[]))",
        [source, [file.day for file in table.files], [file.loaded_at for file in table.files]],
    )
    rows = views.lake_rows(source, table.columns, table.partition, _paths(project, table.files))
    con.execute(f"create view {qualified(table.name)} as {rows}")


def _paths(project: Project, files: Iterable[Input]) -> list[Path]:
    return [project.data / file.path for file in files]
