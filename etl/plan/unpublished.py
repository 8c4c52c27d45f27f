"""Raw tables that are views over the lake are published, unless a setting says no: then no view can read them."""

from __future__ import annotations

from etl.errors import ModelError
from etl.models import Models
from etl.sources import Catalog


def check_views(catalog: Catalog, models: Models) -> None:
    """Raise ModelError for a view that reads a raw table which what is published lacks."""
    views = {source.table: source for source in catalog.sources.values() if source.is_view}
    found = [
        f"{model.file}: it is a view and reads {read}, which is not published, since {views[read].name} says "
        "load='view' and [etl] publish_raw = no. Take one of these out, or let the model be "
        "`-- materialized: table`."
        for model in models.models.values()
        if not model.kind.is_stored
        for read in model.reads
        if read in views
    ]
    if found:
        raise ModelError("\n".join(found))
