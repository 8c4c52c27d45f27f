"""raw: the deliveries as they were sent. Nothing here writes, renames or deletes."""

from etl.stages.raw.find import Delivery, File, Found, find, look, state, state_of

__all__ = [
    "Delivery",
    "File",
    "Found",
    "find",
    "look",
    "state",
    "state_of",
]
