"""Raw files to a published, audited DuckDB warehouse: the Luigi tasks, and what a contract file needs."""

import sys
from configparser import Error as ConfigFileError
from typing import TYPE_CHECKING

from etl import contract, sources
from etl.contract import sql_check
from etl.errors import EtlError
from etl.project.unreadable import stopped
from etl.sources import Files, Source

try:
    from etl.tasks.graph import (
        AuditedWarehouse,
        Backfill,
        BuiltModel,
        LakePartition,
        LoadedTable,
        Nightly,
        PublishedWarehouse,
        RawFile,
    )
    from etl.tasks.sample import DeliveredSample
except (ConfigFileError, UnicodeDecodeError) as error:
    # Luigi reads its configuration when it is imported
    raise stopped(error) from None

# contracts that `etl sniff` once proposed import these from where they were
contract.__dict__.setdefault("Source", Source)
sys.modules.setdefault("etl.formats", sources.formats)

if TYPE_CHECKING:
    from etl.sources.formats import Csv, Excel, FixedWidth, Json, JsonLines, Parquet, Xml

__all__ = [
    "AuditedWarehouse",
    "Backfill",
    "BuiltModel",
    "Csv",
    "DeliveredSample",
    "EtlError",
    "Excel",
    "Files",
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


def __getattr__(name: str) -> object:
    """Import a format when it is asked for: a night with nothing new needs few of them."""
    from etl.sources.formats import format_class

    return format_class(name)
