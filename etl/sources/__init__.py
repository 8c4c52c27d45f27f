"""How data comes: a Source, its connector and format, and the catalog of all of them. It never writes in raw/."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.sources.catalog import Catalog, load_catalog
    from etl.sources.connectors.files import Files
    from etl.sources.source import Source

__all__ = [
    "Catalog",
    "Files",
    "Source",
    "load_catalog",
]

_MODULES = {"Catalog": "catalog", "Files": "connectors.files", "Source": "source", "load_catalog": "catalog"}


def __getattr__(name: str) -> object:
    """Import what is asked for: a night that is as the last one asks for none of it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"etl.sources.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
