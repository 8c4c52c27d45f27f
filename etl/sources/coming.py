"""How the deliveries of a source come, from what people write of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from etl.errors import ContractError
from etl.sources.connectors import Connector, connector_from
from etl.sources.connectors.files import Files
from etl.sources.connectors.landed import Landed
from etl.sources.fetches import Fetching


def connected(given: Any, files: str | None, short: dict[str, Any]) -> Connector:
    """Return what says how deliveries come, in either form."""
    if given is not None and files is not None:
        raise ContractError(f"Source(files={files!r}) says twice how deliveries come. Take one of the two out.")
    if isinstance(given, str):
        given, files = None, given
    if files is not None:
        return Files(files, **short)
    if given is None:
        raise ContractError(
            'Source(...) does not say how deliveries come. Add files="sales/{date}.csv", or Files(...).'
        )
    if short:
        raise ContractError(
            f"Source({', '.join(short)}): with Files(...) write {'it' if len(short) == 1 else 'them'} there."
        )
    return connector_from(given)


def landed(fetch: Fetching, given: Any, files: str | None, others: Sequence[str]) -> Landed:
    """Return what finds the fetched files of a source; `others` are options of files that somebody brings.

    Raises ContractError for what contradicts a fetch.
    """
    if others:
        raise ContractError(f"Source({fetch.named}): {others[0]} is for files that others bring. Take it out.")
    known = connector_from(given) if given is not None else None
    if known is not None and not isinstance(known, Landed):
        raise ContractError(f"Source({fetch.named}) says twice how deliveries come. Take {known.named} out.")
    if fetch.mode != "copies" and files is not None:
        raise ContractError(f"Source({fetch.named}): files is for copies of files. Take it out.")
    if fetch.mode == "copies":
        files = files or (known.files if known else fetch.files)
        fetch.check_files(files)
    if fetch.mode == "copies" and not files:
        raise ContractError(f'Source({fetch.named}) needs files="sales/{{date}}.csv": which files it takes.')
    return known or Landed("", fetch.mode, files=files or "")


def named(connector: Any, source: str) -> Landed:
    """Return what finds fetched files, of a source by its name."""
    found: Landed = replace(connector, source=source or connector.source)
    return found
