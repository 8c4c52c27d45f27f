"""Unlearning: what models have learned from rows that are purged is deleted, that of before too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from etl.engine.quoting import qualified
from etl.models import Model
from etl.models.trained.tables import CARRIED, DECISIONS
from etl.project import Project
from etl.stages.warehouse.build import drop_model, transaction
from etl.stages.warehouse.learning import carry, names_of
from etl.stages.warehouse.shelved import tidy

if TYPE_CHECKING:
    import duckdb

#: What a decision says of a model that is deleted.
PURGED = "; what it had learned was purged"


def unlearn(con: duckdb.DuckDBPyConnection, project: Project, models: Iterable[Model]) -> None:
    """Delete what the given tables of models that learn have learned, so that the next night learns from nothing.

    What was decided, and why, stays told, without the models. A build that lacks these rows gets them from what is
    published first, without: else the next night would take them from there, with all of it.
    """
    tables = list(models)
    carry(con, project, project.warehouse, tables)
    there = names_of(con, "current_database()")
    with transaction(con):
        for model in tables:
            if model.role in CARRIED and model.name in there:
                _forget(con, model)
            else:
                drop_model(con, model.name)
    tidy(project, con)


def _forget(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Have a table made again by the next night, by its rows of before, in which there is no model."""
    if model.role == DECISIONS:
        con.execute(
            f"update {qualified(model.name)} set why = why || $1, format = null, artefact = null "
            "where artefact is not null",
            [PURGED],
        )
    con.execute("update etl.models set fingerprint = '' where name = $1", [model.name])
    for table in ("_builds", "_partitions", "_hashes"):
        con.execute(f"delete from etl.{table} where name = $1", [model.name])
