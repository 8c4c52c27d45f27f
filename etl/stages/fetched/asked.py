"""What one fetch is asked for, and what a kind tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from etl.contract.contract import Contract
from etl.sources.fetches import Fetching
from etl.stages.fetched.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What one fetch is asked for; `day` is the batch date, or the date to fetch of what is fetched by date."""

    source: str
    fetch: Fetching
    day: date
    #: Whether it is to bring everything, whatever the cursor says.
    full: bool = False
    #: Where to begin instead of at the cursor.
    since: str | None = None
    #: The manifest that was landed last: the cursor is in it, and nowhere else.
    newest: Manifest | None = None
    #: The columns of the contract, the senders' names of them, and what becomes of others: see Source.extra.
    columns: tuple[str, ...] = ()
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extra: str = "refuse"
    #: The contract itself, for a kind that lands what it asks for by type.
    contract: Contract
    #: UTC; a fetch that is tried again asks for the same.
    started: datetime
    #: The contracts folder and the project's root, for what is written in Python.
    contracts: Path
    root: Path
    #: The fetched files, for a kind that compares with earlier ones.
    fetched: Path
    #: When the fetch must be over, by time.monotonic().
    deadline: float = float("inf")
    #: What the kind's together() has opened for all sources that are fetched with this one.
    shared: Any = None

    @property
    def cursor(self) -> Any:
        """Where to begin: what was asked for, or what the newest manifest says; None for everything."""
        if self.full:
            return None
        return self.since if self.since is not None else self.newest.to if self.newest else None


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a kind tells of a fetch that is over: see Manifest. `to` None leaves the cursor where it was.

    `is_new` False says that nothing is new: nothing is landed, whatever was written.
    """

    start: Any = None
    to: Any = None
    horizon: Any = None
    snapshot: Any = None
    rows: int | None = None
    columns: Sequence[Sequence[str]] = ()
    query: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
    is_new: bool | None = None
