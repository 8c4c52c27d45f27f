"""The raw formats: one module each, behind one protocol; a further format is a file and a line here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from etl.formats.csv import Csv
from etl.formats.format import Format, Record

__all__ = ["Csv", "Format", "Record", "format_from", "format_to"]

_FORMATS: dict[str, type[Csv]] = {"csv": Csv}


def format_to(fmt: Format) -> dict[str, Any]:
    """Return a format as plain data."""
    name = next(name for name, kind in _FORMATS.items() if isinstance(fmt, kind))
    return {"format": name, **asdict(fmt)}  # type: ignore[call-overload]


def format_from(data: dict[str, Any]) -> Format:
    """Return the format that format_to() made `data` from."""
    options = {key: value for key, value in data.items() if key != "format"}
    return _FORMATS[data["format"]](**options)
