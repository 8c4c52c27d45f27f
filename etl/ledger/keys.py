"""What the steps of the flow are called in the ledger."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from etl.ledger import Key
from etl.ledger.connection import UNCHANGED

__all__ = [
    "AUDIT",
    "BUILD",
    "PUBLISH",
    "PUBLISHED_CHECKS",
    "UNCHANGED",
    "UNDELIVERED",
    "UNFETCHED",
    "extract_key",
    "load_key",
    "transform_key",
]

#: build.duckdb as this project left it; if the file has changed since, its steps run again.
BUILD = Key("build")
AUDIT = Key("audit")
PUBLISH = Key("publish")

#: What the cache keeps, by the run that published, of the contracts and audits that its generation passed.
PUBLISHED_CHECKS = "published checks"


@lru_cache(maxsize=100_000)
def extract_key(source: str, day: date) -> Key:
    """Return the key of a partition's receipt."""
    return Key("extract", source, str(day))


def load_key(source: str) -> Key:
    """Return the key of a raw table's receipt."""
    return Key("load", source)


def transform_key(model: str) -> Key:
    """Return the key of a model's receipt."""
    return Key("transform", model)


#: What a problem is noted for when the task that a source names did not make a delivery.
UNDELIVERED = "RawFile"
#: What a problem is noted for when a source that is not required could not be fetched: a warning.
UNFETCHED = "Fetched"
