"""The Luigi graph: the only room that imports Luigi. A task says when a step runs, never how."""

from etl.tasks.graph import (
    AuditedWarehouse,
    Backfill,
    BuiltModel,
    LakePartition,
    LoadedTable,
    Nightly,
    PublishedWarehouse,
    RawFile,
    Retried,
    run_luigi,
)
from etl.tasks.promoted import Promoted
from etl.tasks.sample import DeliveredSample

__all__ = [
    "AuditedWarehouse",
    "Backfill",
    "BuiltModel",
    "DeliveredSample",
    "LakePartition",
    "LoadedTable",
    "Nightly",
    "Promoted",
    "PublishedWarehouse",
    "RawFile",
    "Retried",
    "run_luigi",
]
