"""Changes: the whole table once, and then what its server's log says of it: a slot of PostgreSQL, or a binlog."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from etl.errors import FetchError
from etl.stages.fetched.asked import Asked, Told
from etl.stages.fetched.kinds.database.address import Address
from etl.stages.fetched.landing import Landing

__all__ = ["drop", "fetch"]

#: The module that reads the log of a kind of database, and the library that it needs.
_LOGS = {"postgresql": ("slot", "psycopg"), "mysql": ("binlog", "mysql-replication")}


def fetch(asked: Asked, landing: Landing) -> Told:
    """Fetch what was changed since the last fetch; the first time, and in full, the table as it is."""
    if asked.since is not None:
        raise FetchError(
            "The option --since means nothing for changes: the newest file knows where to go on. Leave it out."
        )
    found: Told = _log_of(asked).fetch(asked, landing)
    return found


def drop(asked: Asked) -> list[str]:
    """Drop what the server keeps for a source alone, and return the names of it."""
    found: list[str] = _log_of(asked).drop(asked)
    return found


def _log_of(asked: Asked) -> ModuleType:
    """Return the module that reads the log of a source's server. Raises FetchError if there is none."""
    address = Address.read(asked.fetch.variables[0])
    if address.kind not in _LOGS:
        raise FetchError(
            f"{address.variable} is an address of {address.scheme}, which has no log of changes that etl reads. "
            "Fetch the table by a cursor: fetch=Table(..., cursor='updated_at')."
        )
    name, library = _LOGS[address.kind]
    try:
        return import_module(f"{__name__}.{name}")
    except ImportError as error:
        raise FetchError(
            f"The library {library} is not installed ({error}). Install it: pip install 'etl[cdc]'"
        ) from error
