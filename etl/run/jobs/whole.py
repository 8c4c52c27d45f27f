"""Models with `engine: spark`: Spark reads their inputs as files, and its rows are taken into the table."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, cast

from etl.engine.quoting import identifier, paths, qualified
from etl.errors import StepError, TransformError, sentence
from etl.ledger import Ledger
from etl.models import Model
from etl.models.spark_sql import SESSION, table_name
from etl.project import Project
from etl.run.jobs.given import given
from etl.run.jobs.hosts import host_of
from etl.run.jobs.making import parts_folder
from etl.run.jobs.witness import testify_keys
from etl.stages.warehouse import part_files

if TYPE_CHECKING:
    import duckdb

    from etl.run.jobs.hosts.spark import Spark
    from etl.stages.warehouse import Build

#: The addresses of a Spark.
_SPARK = ("spark:", "sc:")


def is_spark(url: str) -> bool:
    """Return whether an executor can compute SQL of Spark."""
    return url.startswith(_SPARK)


def make_whole(project: Project, con: duckdb.DuckDBPyConnection, build: Build, ledger: Ledger, run_id: str) -> int:
    """Make the table, or the file, of a model from what Spark computes; return its rows.

    Those of some keys are computed here too. Raises TransformError if they differ, or Spark fails.
    """
    model, url = build.model, project.settings.executor
    with _folder(project, model) as folder:
        inputs = {table_name(table): given(con, table, model.spark, folder) for table in model.reads}
        target = folder / "output"
        ((zone,),) = con.execute("select current_setting('TimeZone')").fetchall()
        try:
            settings = {**SESSION, "spark.sql.session.timeZone": str(zone)}
            cast("Spark", host_of(url)).select(model.spark, inputs, target, settings)
        except StepError as error:
            raise TransformError(f"{model.place} could not be built: {sentence(str(error))}") from error
        rows = _taken(con, build, target)
    testify_keys(con, build, ledger, run_id, url=url)
    return rows


@contextmanager
def _folder(project: Project, model: Model) -> Iterator[Path]:
    """Lend a folder that all workers see."""
    folder = parts_folder(project) / f"{model.name}-{token_hex(4)}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _taken(con: duckdb.DuckDBPyConnection, build: Build, folder: Path) -> int:
    """Make the table, or the file, of the rows in the files of a folder; return how many there are."""
    model = build.model
    files: Sequence[Path] = sorted(folder.glob("*.parquet"))
    if not (folder / "_SUCCESS").is_file() or not files:
        raise TransformError(
            f"{model.place} could not be built: {folder}, which Spark has written, is not here, or not whole. "
            "Does every worker see the same folders?"
        )
    columns = ", ".join(f"cast({identifier(name)} as {type}) as {identifier(name)}" for name, type in model.stored)
    query = f"select {columns} from read_parquet({paths(files)}, hive_partitioning = false)"
    if build.parts:
        return part_files.make_whole(con, build, query)
    # in order, so that the same rows make the same table
    found = con.execute(f"create or replace table {qualified(model.name)} as {query} order by all").fetchall()
    return int(found[0][0])
