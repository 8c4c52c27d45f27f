"""How data comes: a Source, its connector and format, and the catalog of all of them. It never writes in raw/."""

from etl.sources.catalog import Catalog, load_catalog
from etl.sources.connectors.files import Files
from etl.sources.source import Source

__all__ = [
    "Catalog",
    "Files",
    "Source",
    "load_catalog",
]
