"""The raw formats: one module each, behind one protocol; a further format is a file and a line here.

A format's libraries are imported when a file is opened, never here.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from etl.formats.csv import Csv
from etl.formats.excel import Excel
from etl.formats.fixed_width import FixedWidth
from etl.formats.format import Fault, Format, Opened, Place, Values
from etl.formats.json import Json, JsonLines
from etl.formats.parquet import Parquet
from etl.formats.xml import Xml

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
    "format_from",
    "format_to",
]

_KINDS = (Csv, Excel, FixedWidth, Json, JsonLines, Parquet, Xml)
_FORMATS: dict[str, type[Any]] = {kind.__name__: kind for kind in _KINDS}


def format_to(fmt: Format) -> dict[str, Any]:
    """Return a format as plain data."""
    return {"format": type(fmt).__name__, **asdict(fmt)}  # type: ignore[call-overload]


def format_from(data: dict[str, Any]) -> Format:
    """Return the format that format_to() made `data` from."""
    options = {key: value for key, value in data.items() if key != "format"}
    made: Format = _FORMATS[data["format"]](**options)
    return made
