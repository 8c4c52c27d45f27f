"""The raw formats: one module each, behind one protocol.

A format's module is imported when the format is asked for, and its libraries when a file is opened: a night
with nothing new needs neither.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from etl.contract.values import Values
from etl.sources import known
from etl.sources.formats.format import Fault, Format, Opened, Place
from etl.sources.known import FORMATS, format_class

if TYPE_CHECKING:
    from etl.sources.known import *  # noqa: F403

__all__ = [
    "FORMATS",
    "Fault",
    "Format",
    "Opened",
    "Place",
    "Values",
    "format_class",
    "format_from",
    "format_to",
]
__all__ += known.__all__


def format_to(fmt: Format) -> dict[str, Any]:
    """Return a format as plain data; an option that came later is in it only if it says something."""
    options: Any = fmt
    unsaid = {each.name for each in fields(options) if each.metadata and getattr(fmt, each.name) == each.default}
    return {
        "format": type(fmt).__name__,
        **{name: value for name, value in asdict(options).items() if name not in unsaid},
    }


def format_from(data: dict[str, Any]) -> Format:
    """Return the format that format_to() made `data` from."""
    options = {key: value for key, value in data.items() if key != "format"}
    made: Format = format_class(data["format"])(**options)
    return made


if not TYPE_CHECKING:
    __getattr__ = format_class
