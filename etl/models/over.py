"""Models that were read already, bound once more to other tables: what they are built from then."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from etl.models.binding import Bound
from etl.models.inputs import stored, with_inputs
from etl.models.model import Given, Model, Models
from etl.models.query import parse

if TYPE_CHECKING:
    import duckdb


def models_over(
    con: duckdb.DuckDBPyConnection, models: Models, given: Iterable[Given], names: Collection[str]
) -> Models:
    """Return the models `names` alone, as if all else that they read were the tables `given`.

    They are bound in a database beside those that `con`, an in-memory one, has; it is detached again.
    """
    tables = list(given)
    wanted = [model for model in models.models.values() if model.name in names]
    con.execute("attach ':memory:' as over; use over")
    try:
        return Models(_bound(Bound(con, tables), wanted, {t.name: t.partition for t in tables if t.partition}))
    finally:
        con.execute("use memory; detach over")


def _bound(bound: Bound, models: Iterable[Model], dated: dict[str, str]) -> dict[str, Model]:
    found: dict[str, Model] = {}
    for model in models:
        if not model.kind.is_select:
            bound.define(model.name, model.columns)
            found[model.name] = replace(model, whole=tuple(sorted(stored(model.reads, found))))
            continue
        for _, statement in model.macros:
            bound.con.execute(statement)
        (query,) = parse(bound.con, {model.file: model.sql}).values()
        bound.bind(model.name, query, model.kind)
        found[model.name] = with_inputs(model, {}, bound, dated, found) if model.kind.is_stored else model
        if model.stored != model.columns:
            bound.define(model.name, model.stored)
        if model.kind.is_partitioned:
            dated[model.name] = model.header.partition
    return found
