"""The raw formats: one module each, behind one protocol.

A format's module is imported when the format is asked for, and its libraries when a file is opened: a night
with nothing new needs neither.
"""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

from etl.contract.values import Values
from etl.sources.formats.format import Fault, Format, Opened, Place

if TYPE_CHECKING:
    from etl.sources.formats.csv import Csv
    from etl.sources.formats.excel import Excel
    from etl.sources.formats.fixed_width import FixedWidth
    from etl.sources.formats.json import Json, JsonLines
    from etl.sources.formats.parquet import Parquet
    from etl.sources.formats.xml import Xml

__all__ = [
    "Csv",
    "Excel",
    "Fault",
    "FixedWidth",
    "Format",
    "Json",
    "JsonLines",
    "Opened",
    "Parquet",
    "Place",
    "Values",
    "Xml",
    "format_class",
    "format_from",
    "format_to",
]

#: The module of each format.
FORMATS = {
    "Csv": "csv",
    "Excel": "excel",
    "FixedWidth": "fixed_width",
    "Json": "json",
    "JsonLines": "json",
    "Parquet": "parquet",
    "Xml": "xml",
}


def format_class(name: str) -> Any:
    """Return the class of a format. AttributeError if there is none of that name."""
    if name not in FORMATS:
        raise AttributeError(f"there is no format {name!r}; there are: {', '.join(FORMATS)}")
    return getattr(import_module(f"etl.sources.formats.{FORMATS[name]}"), name)


def format_to(fmt: Format) -> dict[str, Any]:
    """Return a format as plain data."""
    options: Any = fmt
    return {"format": type(fmt).__name__, **asdict(options)}


def format_from(data: dict[str, Any]) -> Format:
    """Return the format that format_to() made `data` from."""
    options = {key: value for key, value in data.items() if key != "format"}
    made: Format = format_class(data["format"])(**options)
    return made


if not TYPE_CHECKING:
    __getattr__ = format_class
