"""The models of a project that ask for Spark, each with its SELECT as Spark computes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from etl.models.model import Model
from etl.models.variables import with_values

if TYPE_CHECKING:
    import duckdb


def on_spark(
    con: duckdb.DuckDBPyConnection, models: Mapping[str, Model], variables: Mapping[str, str]
) -> dict[str, Model]:
    """Return the models with `engine: spark`, translated; `con` has all tables that they read.

    Raises UnsupportedOnSpark for one that has something in it that is not on the list.
    """
    found = {}
    for name, model in models.items():
        if model.header.engine:
            from etl.models.spark_sql.translate import translated

            sql = with_values(model.sql, variables)
            found[name] = replace(model, spark=translated(con, sql, model.file))
    return found
