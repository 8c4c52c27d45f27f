"""What sources beyond files are asked for: one declaration for each kind, behind one base class.

Nothing here opens a connection or imports a driver: etl.stages.fetched does that, when a source is fetched.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from etl.errors import ContractError
from etl.sources.fetches.fetch import Fetching
from etl.sources.known import FETCHES, fetch_class

__all__ = ["FETCHES", "Fetching", "fetch_class", "fetch_from", "fetch_to"]


def fetch_to(fetch: Fetching) -> dict[str, Any]:
    """Return what is to be fetched as plain data; only what differs from its default is in it."""
    options: Any = fetch
    said = asdict(options)
    return {
        "fetch": type(fetch).__name__,
        **{one.name: said[one.name] for one in fields(options) if getattr(fetch, one.name) != one.default},
    }


def fetch_from(given: Any) -> Fetching:
    """Return what is to be fetched from what people write, or from what fetch_to() returned.

    Raises ContractError for anything else.
    """
    made: Fetching
    if isinstance(given, dict) and "fetch" in given:
        made = fetch_class(given["fetch"])(**{k: v for k, v in given.items() if k != "fetch"})
        return made
    if type(given).__name__ in FETCHES and isinstance(given, fetch_class(type(given).__name__)):
        made = given
        return made
    kinds = ", ".join(f"{name}(...)" for name in FETCHES)
    raise ContractError(f"Source(fetch={given!r}) does not say what to fetch. Write one of {kinds}.")
