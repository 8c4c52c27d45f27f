"""Joins features to labels with Feast, in an environment of its own; `benchmarks/features.py` says when.

Usage: python features_feast.py FOLDER
"""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64, Int64


def main() -> None:
    """Write what `get_historical_features` says of the labels to feast.parquet."""
    warnings.filterwarnings("ignore")
    work = Path(sys.argv[1])
    repository = work / "feast_repository"
    shutil.rmtree(repository, ignore_errors=True)
    repository.mkdir()
    store = FeatureStore(
        config=RepoConfig(
            project="delays",
            provider="local",
            registry=f"{repository}/registry.db",
            online_store={"type": "sqlite", "path": f"{repository}/online.db"},
            offline_store={"type": "duckdb"},
            entity_key_serialization_version=3,
        )
    )
    features = json.loads((work / "features.json").read_text())
    names = {name for one in features.values() for name in one["entity"]}
    entities = {name: Entity(name=name, join_keys=[name], value_type=ValueType.STRING) for name in names}
    views, wanted = [], []
    for table, one in features.items():
        number, unit = one["ttl"].split()
        fields = [
            Field(name=name, dtype=Int64 if "INT" in type else Float64) for name, type in one["values"].items()
        ]
        source = FileSource(path=str(work / f"{table}.parquet"), timestamp_field=one["event_time"])
        views.append(
            FeatureView(
                name=table.replace(".", "_"),
                entities=[entities[name] for name in one["entity"]],
                ttl=timedelta(**{unit: int(number)}),
                schema=fields,
                source=source,
            )
        )
        wanted += [f"{views[-1].name}:{field.name}" for field in fields]
    store.apply([*entities.values(), *views])
    labels = pd.read_parquet(work / "labels.parquet")
    labels["flight_date"] = pd.to_datetime(labels["flight_date"])
    store.get_historical_features(entity_df=labels, features=wanted).to_df().to_parquet(work / "feast.parquet")


if __name__ == "__main__":
    main()
