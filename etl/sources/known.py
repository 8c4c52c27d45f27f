"""The formats and fetches by name, for whoever imports one from etl: a class and its module are all there is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.sources.formats.csv import Csv
    from etl.sources.formats.debezium import Debezium
    from etl.sources.formats.excel import Excel
    from etl.sources.formats.fixed_width import FixedWidth
    from etl.sources.formats.json import Json, JsonLines
    from etl.sources.formats.parquet import Parquet
    from etl.sources.formats.xml import Xml

__all__ = ["Csv", "Debezium", "Excel", "FixedWidth", "Json", "JsonLines", "Parquet", "Xml"]

#: The module of each format.
FORMATS = {
    "Csv": "csv",
    "Debezium": "debezium",
    "Excel": "excel",
    "FixedWidth": "fixed_width",
    "Json": "json",
    "JsonLines": "json",
    "Parquet": "parquet",
    "Xml": "xml",
}
#: The module of each kind of fetch: in etl.sources.fetches, and of what asks in etl.stages.fetched.kinds.
FETCHES = {
    "Bucket": "bucket",
    "Changes": "changes",
    "Download": "download",
    "Fetch": "function",
    "Project": "project",
    "Query": "database",
    "Rest": "rest",
    "Sftp": "sftp",
    "Table": "database",
}
#: What options of fetches take, such as how the pages of an API follow each other, and the module of each.
PARTS = dict.fromkeys(
    (
        *("OnePage", "NextLink", "HeaderLink", "NextCursor", "HeaderCursor", "Offset", "PageNumber", "Range"),
        *("Bearer", "ApiKey", "Basic", "OAuth2", "Jwt"),
    ),
    "paging",
)


def format_class(name: str) -> Any:
    """Return the class of a format. AttributeError if there is none of that name."""
    if name not in FORMATS:
        raise AttributeError(f"there is no format {name!r}; there are: {', '.join(FORMATS)}")
    return getattr(import_module(f"etl.sources.formats.{FORMATS[name]}"), name)


def fetch_class(name: str) -> Any:
    """Return the class of a kind of fetch, or of what its options take; else AttributeError."""
    if name not in FETCHES and name not in PARTS:
        raise AttributeError(f"there is no fetch {name!r}; there are: {', '.join(FETCHES)}")
    return getattr(import_module(f"etl.sources.fetches.{FETCHES.get(name) or PARTS[name]}"), name)


if not TYPE_CHECKING:
    __getattr__ = format_class
