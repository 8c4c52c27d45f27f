"""The columns that a model learns from, and the columns of raw files that each of them is made of."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any

from etl.ledger import Ledger
from etl.models import Model, Models
from etl.models.features import full_name
from etl.models.trained import Learned
from etl.reports.edges import edges
from etl.sources import Catalog
from etl.stages.published.notes import declared_notes

Column = tuple[str, str]


def columns_of(catalog: Catalog, models: Models, ledger: Ledger, learned: Learned) -> dict[str, Any]:
    """Return the columns of a model's table with their meaning, what they are made of, its files and features.

    `part` is what a column is to the model: feature, label, key or time. `made_of` are columns of raw tables,
    or of others that are made of nothing; what only decides on the rows is not among them.
    """
    table = next((one for one in models.models.values() if one.name == learned.features), None)
    source = next((one for one in catalog.sources.values() if one.table == learned.features), None)
    if table is None and source is None:
        return {}
    stored = table.stored if table else list(source.columns.items()) if source else []
    notes = declared_notes(catalog, models)[learned.features].columns
    values = edges(catalog, models, ledger).get("v", {})
    places = {source.table: str(source.connector.place) for source in catalog.sources.values()}
    found = [
        {
            "column": name,
            "type": type,
            "part": _part(learned, name),
            **{kind: notes.get(name, {}).get(kind, "") for kind in ("description", "unit", "pii")},
            "made_of": sorted(".".join(one) for one in _ends(values, places, (learned.features, name))),
        }
        for name, type in stored
    ]
    used = {one.rpartition(".")[0] for column in found for one in column["made_of"]}
    files = {model.name: model.file for model in models.models.values()} | places
    return {
        "at": table.header.at if table else "",
        "owner": table.header.owner if table else "",
        "sets": list(_features(models, table)) if table else [],
        "columns": found,
        "files": {name: files[name] for name in sorted(used & files.keys())},
    }


def _features(models: Models, table: Model) -> Iterator[dict[str, Any]]:
    """Yield the features that a set brings to its rows: what each is about, and how long a value may be used."""
    for name in map(full_name, table.header.features):
        if feature := models.models.get(name):
            header = feature.header
            yield {
                **{"table": name, "description": feature.description, "entity": list(header.entity)},
                **{
                    "event_time": header.event_time,
                    "ttl": header.ttl,
                    "known": header.known,
                    "owner": header.owner,
                },
            }


def _part(learned: Learned, column: str) -> str:
    parts = {**dict.fromkeys(learned.key, "key"), learned.time: "time", learned.label: "label"}
    return {name.lower(): part for name, part in parts.items()}.get(column.lower(), "feature")


def _ends(values: Mapping[str, Mapping[str, Any]], raw: Container[str], column: Column) -> Iterator[Column]:
    """Yield the columns of raw tables that a column is made of, and those that are made of none."""
    waiting, seen = [column], {column}
    while waiting:
        table, name = waiting.pop()
        origins = [] if table in raw else [tuple(one) for one in values.get(table, {}).get(name, [[]])[0]]
        if not origins and (table, name) != column:
            yield table, name
        waiting += [one for one in origins if one not in seen]
        seen.update(origins)
