"""How data comes: a Source, its files and format, and the catalog of all of them. It never looks into raw/."""

from etl.sources.catalog import Catalog, load_catalog
from etl.sources.source import Source

__all__ = [
    "Catalog",
    "Source",
    "load_catalog",
]
