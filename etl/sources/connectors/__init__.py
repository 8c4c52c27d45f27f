"""The ways in which deliveries come: one module each, behind one protocol."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from typing import Any

from etl.errors import ContractError
from etl.sources.connectors.connector import Connector, File, Seen

__all__ = [
    "CONNECTORS",
    "WRITTEN",
    "Connector",
    "File",
    "Seen",
    "connector_class",
    "connector_from",
    "connector_to",
]

#: The module of each connector.
CONNECTORS = {"Files": "files", "Landed": "landed"}
#: Those that people write; `Source(fetch=...)` makes the others.
WRITTEN = ("Files",)


def connector_class(name: str) -> Any:
    """Return the class of a connector. AttributeError if there is none of that name."""
    if name not in CONNECTORS:
        raise AttributeError(f"there is no connector {name!r}; there are: {', '.join(CONNECTORS)}")
    return getattr(import_module(f"etl.sources.connectors.{CONNECTORS[name]}"), name)


def connector_to(connector: Connector) -> dict[str, Any]:
    """Return a connector as plain data."""
    options: Any = connector
    return {"connector": type(connector).__name__, **asdict(options)}


def connector_from(given: Any) -> Connector:
    """Return a connector from what people write: the connector itself, or a path, which is short for Files(path).

    It is made again from what connector_to() returned, too. Raises ContractError for anything else.
    """
    made: Connector
    if isinstance(given, dict) and "connector" in given:
        made = connector_class(given["connector"])(**{k: v for k, v in given.items() if k != "connector"})
        return made
    if isinstance(given, str):
        made = connector_class("Files")(given)
        return made
    if type(given).__name__ in CONNECTORS and isinstance(given, connector_class(type(given).__name__)):
        made = given
        return made
    raise ContractError(
        f'Source(..., {given!r}) does not say how deliveries come. Write a path such as "sales/{{date}}.csv", or '
        f"one of {', '.join(f'{name}(...)' for name in WRITTEN)}."
    )
