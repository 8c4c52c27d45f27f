"""How data comes: a Source, its connector and format, and the catalog of all of them. It never writes in raw/."""

from typing import TYPE_CHECKING

from etl.project.lazily import lazily

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

__getattr__ = lazily(__name__, _MODULES)
