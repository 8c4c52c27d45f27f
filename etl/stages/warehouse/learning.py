"""What models that learn need beside their tables: their own rows of before, and the ledger for trainings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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
from etl.project.project import ARTEFACTS
from etl.stages.trained.artefact import IN_ROWS
from etl.stages.trained.days import day_of, on_days
from etl.stages.trained.heard import NOBODY, Heard
from etl.stages.warehouse.shelved import artefacts_of, bring, named_files, tidy
from etl.stages.warehouse.work import Build, Day, State

if TYPE_CHECKING:
    import duckdb

_TABLES = "select schema_name || '.' || table_name from duckdb_tables() where database_name = {}"


def with_ledger(
    con: duckdb.DuckDBPyConnection, project: Project, builds: Sequence[Build], ledger: Ledger, run_id: str
) -> list[Build]:
    """Return builds of which those that learn tell the ledger; the rows that they had are in the database then."""
    carry(con, project, project.warehouse, [build.model for build in builds])
    artefacts = artefacts_of(project)

    @cache
    def commit() -> str:
        return commit_of(project)

    def keep(experiment: Experiment, curves: Iterable[tuple[str, int, float]]) -> None:
        write(ledger, replace(experiment, run_id=run_id, commit_id=commit()), curves)

    heard = Heard(keep=keep, decide=lambda key, verdict: decide(ledger, key, verdict))
    return [replace(b, heard=heard, artefacts=artefacts) if b.model.role else b for b in builds]


def carry(con: duckdb.DuckDBPyConnection, project: Project, file: Path, models: Iterable[Model]) -> None:
    """Take from a published file the rows of before of tables that are made of these too, and are not there.

    A build.duckdb that was lost, or one for a generation that is made once more, goes on from them. The files of
    models that are named then are beside the build, and no others.
    """
    _carry(con, file, models)
    if file.exists():
        bring(named_files(con), project.artefacts, [file.resolve().parent / ARTEFACTS])
    tidy(project, con)


def _carry(con: duckdb.DuckDBPyConnection, file: Path, models: Iterable[Model]) -> None:
    names = [model.name for model in models if model.role in CARRIED]
    there = names_of(con, "current_database()") if names else set()
    lacking = [name for name in names if name not in there]
    if not lacking or not file.exists():
        return
    con.execute(f"attach {literal(str(file.resolve()))} as _before (read_only)")
    try:
        for name in sorted({*lacking} & names_of(con, "'_before'")):
            con.execute(f"create schema if not exists {identifier(name.split('.')[0])}")
            con.execute(f"create table {qualified(name)} as from _before.{qualified(name)}")
    finally:
        con.execute("detach _before")


@dataclass(frozen=True, kw_only=True)
class Learning:
    """A table of a model that learns, to be made; of predictions, `days` are those to be made, None for all."""

    build: Build
    learned: Learned
    days: Sequence[Day] | None

    def emptied(self, con: duckdb.DuckDBPyConnection) -> bool:
        """Delete the rows of the days; return whether the others stay."""
        if self.days is None:
            return False
        model = self.build.model
        con.execute(f"delete from {qualified(model.name)} where {on_days(day_of(model.time), self.days)}")
        return True

    def made(self, con: duckdb.DuckDBPyConnection) -> Any:
        """Return the rows; `con` is a connection that only reads."""
        from etl.stages.trained.night import make
        from etl.stages.trained.task import Task

        model, heard = self.build.model, self.build.heard or NOBODY
        before = _before(con, model) if model.role in CARRIED else []
        task = Task(
            learned=self.learned,
            con=con,
            before=before,
            days=self.days,
            heard=heard,
            artefacts=self.build.artefacts or IN_ROWS,
        )
        return make(model.role, task)


def planned(build: Build, state: State | None) -> Learning:
    """Return what is to be made of a model that learns; without `state`, all of it.

    Raises TransformError if the model is not what the run was planned with.
    """
    model, file = build.model, build.folder / build.model.file
    try:
        learned = read_one(file.parents[1], file)
    except (ModelError, OSError) as error:
        raise TransformError(f"{model.place} changed since the run was planned: {sentence(str(error))}") from error
    if normal_of(learned, model.role) != model.normal:
        raise TransformError(f"{model.place} changed since the run was planned. Run again to build it.")
    days = _stale_days(build, state) if model.time and state else None
    return Learning(build=build, learned=learned, days=days)


def _stale_days(build: Build, state: State) -> list[Day] | None:
    """Return the days of predictions that are new, changed or gone; None if all are to be made."""
    built = state.built.get(build.model.name)
    if built is None or build.anew or built.definition != build.definition:
        return None
    now, before = state.date_inputs(build.model), state.parts(build.model.name)
    return [day for day in {**now, **before} if day not in before or now.get(day) != before[day].inputs]


def _before(con: duckdb.DuckDBPyConnection, model: Model) -> list[dict[str, Any]]:
    """Return the rows that a table has until now; none if they were of other columns."""
    if model.name not in names_of(con, "current_database()"):
        return []
    rows = con.execute(f"from {qualified(model.name)}")
    names = [column[0] for column in rows.description or ()]
    if names != [name for name, _ in model.columns]:
        return []
    return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]


def names_of(con: duckdb.DuckDBPyConnection, database: str) -> set[str]:
    """Return the tables of a database that is open, which SQL names."""
    return {name for (name,) in con.execute(_TABLES.format(database)).fetchall()}
