"""Raw files to a published, audited DuckDB warehouse: the Luigi tasks, and what a contract file needs."""

from etl.contract import Source
from etl.errors import EtlError
from etl.formats import Csv
from etl.tasks import (
    AuditedWarehouse,
    Backfill,
    BuiltModel,
    DeliveredSample,
    LakePartition,
    LoadedTable,
    Nightly,
    PublishedWarehouse,
    RawFile,
)

__all__ = [
    "AuditedWarehouse",
    "Backfill",
    "BuiltModel",
    "Csv",
    "DeliveredSample",
    "EtlError",
    "LakePartition",
    "LoadedTable",
    "Nightly",
    "PublishedWarehouse",
    "RawFile",
    "Source",
]
