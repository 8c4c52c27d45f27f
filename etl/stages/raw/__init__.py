"""raw: the deliveries as they were sent. Nothing here writes, renames or deletes."""

from etl.sources.connectors.connector import File, Known, state_of
from etl.stages.raw.find import Delivery, Found, find, look, state

__all__ = [
    "Delivery",
    "File",
    "Found",
    "Known",
    "find",
    "look",
    "state",
    "state_of",
]
