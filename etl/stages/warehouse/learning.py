"""What models that learn need beside their tables: their own rows of before, and the ledger for trainings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier, literal, qualified
from etl.errors import ModelError, TransformError, sentence
from etl.ledger import Ledger
from etl.ledger.experiments import Experiment, decide, write
from etl.models import Model
from etl.models.trained.declared import Learned, read_one
from etl.models.trained.tables import CARRIED, normal_of
from etl.project import Project
from etl.project.git import commit_of
from etl.stages.trained.heard import NOBODY, Heard
from etl.stages.warehouse.work import Build

if TYPE_CHECKING:
    import duckdb

_TABLES = "select schema_name || '.' || table_name from duckdb_tables() where database_name = {}"


def with_ledger(
    con: duckdb.DuckDBPyConnection, project: Project, builds: Sequence[Build], ledger: Ledger, run_id: str
) -> list[Build]:
    """Return builds of which those that learn tell the ledger; the rows that they had are in the database then."""
    carry(con, project.warehouse, [build.model for build in builds])

    @cache
    def commit() -> str:
        return commit_of(project)

    def keep(experiment: Experiment, curves: Iterable[tuple[str, int, float]]) -> None:
        write(ledger, replace(experiment, run_id=run_id, commit_id=commit()), curves)

    heard = Heard(keep=keep, decide=lambda key, verdict: decide(ledger, key, verdict))
    return [replace(build, heard=heard) if build.model.role else build for build in builds]


def carry(con: duckdb.DuckDBPyConnection, file: Path, models: Iterable[Model]) -> None:
    """Take from a published file the rows of before of tables that are made of these too, and are not there.

    A build.duckdb that was lost, or one for a generation that is made once more, goes on from them.
    """
    names = [model.name for model in models if model.role in CARRIED]
    there = _names(con, "current_database()") if names else set()
    lacking = [name for name in names if name not in there]
    if not lacking or not file.exists():
        return
    con.execute(f"attach {literal(str(file.resolve()))} as _before (read_only)")
    try:
        for name in sorted({*lacking} & _names(con, "'_before'")):
            con.execute(f"create schema if not exists {identifier(name.split('.')[0])}")
            con.execute(f"create table {qualified(name)} as from _before.{qualified(name)}")
    finally:
        con.execute("detach _before")


def planned(build: Build) -> Learned:
    """Return what a model that learns declares. Raises TransformError if it changed since the run was planned."""
    model, file = build.model, build.folder / build.model.file
    try:
        learned = read_one(file.parents[1], file)
    except (ModelError, OSError) as error:
        raise TransformError(f"{model.place} changed since the run was planned: {sentence(str(error))}") from error
    if normal_of(learned, model.role) != model.normal:
        raise TransformError(f"{model.place} changed since the run was planned. Run again to build it.")
    return learned


def made(con: duckdb.DuckDBPyConnection, build: Build, learned: Learned) -> Any:
    """Return the rows of a table of a model that learns; `con` is one that only reads."""
    from etl.stages.trained.night import make
    from etl.stages.trained.task import Task

    before = _before(con, build.model) if build.model.role in CARRIED else []
    return make(build.model.role, Task(learned=learned, con=con, before=before, heard=build.heard or NOBODY))


def _before(con: duckdb.DuckDBPyConnection, model: Model) -> list[dict[str, Any]]:
    """Return the rows that a table has until now; none if they were of other columns."""
    if model.name not in _names(con, "current_database()"):
        return []
    rows = con.execute(f"from {qualified(model.name)}")
    names = [column[0] for column in rows.description or ()]
    if names != [name for name, _ in model.columns]:
        return []
    return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]


def _names(con: duckdb.DuckDBPyConnection, database: str) -> set[str]:
    return {name for (name,) in con.execute(_TABLES.format(database)).fetchall()}
