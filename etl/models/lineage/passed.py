"""Which columns of models hold the values of columns that they read, as they are."""

from __future__ import annotations

import logging
from dataclasses import replace

from etl.models import Models
from etl.models.lineage.columns import Origin
from etl.models.lineage.read import read_lineage
from etl.sources import Catalog

log = logging.getLogger("etl")


def with_passed(catalog: Catalog, models: Models) -> Models:
    """Return the models, each with the columns that it passes on.

    It decides on comments alone: if SQL that DuckDB binds cannot be traced, no night ends by that.
    """
    import duckdb

    try:
        lineage = read_lineage(catalog, Models(models.models))
    except (duckdb.Error, RecursionError) as error:
        log.warning("warning: no column inherits a description, since the SQL cannot be traced: %s", error)
        return models
    found = {}
    for name, model in models.models.items():
        same = {column: lineage.same(Origin(name, column)) for column in lineage.tables[name].columns}
        passed = tuple(
            (column, tuple((origin.table, origin.name) for origin in origins))
            for column, origins in same.items()
            if origins
        )
        found[name] = replace(model, passed=passed)
    return replace(models, models=found)
