"""Raw files to a published, audited DuckDB warehouse: the Luigi tasks, and what a contract file needs."""

from etl.contract import Source, sql_check
from etl.errors import EtlError
from etl.formats import Csv, Excel, FixedWidth, Json, JsonLines, Parquet, Xml
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
    "Excel",
    "FixedWidth",
    "Json",
    "JsonLines",
    "LakePartition",
    "LoadedTable",
    "Nightly",
    "Parquet",
    "PublishedWarehouse",
    "RawFile",
    "Source",
    "Xml",
    "sql_check",
]
