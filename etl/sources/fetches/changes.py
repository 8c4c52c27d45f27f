"""Changes: what was inserted, updated and deleted in a table of PostgreSQL or MariaDB, from its own log."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass

from etl.errors import ContractError
from etl.sources.fetches.database import Database, parts_of
from etl.sources.formats import Format

#: What each change has beside the columns of the table: what was done, whether the row is gone, its place in the
#: log (a text that sorts), the transaction, and when that was committed.
ABOUT = ("_op", "_deleted", "_position", "_xid", "_committed_at")
#: Those that a model needs to hold each row once.
NEEDED = ("_deleted", "_position")
_SLOT = re.compile(r"[a-z0-9_]{1,60}")


@dataclass(frozen=True)
class Changes(Database):
    """Every change of a table of PostgreSQL or MariaDB, deletes included: the table first, then what its log says.

        Changes("SHOP_DSN", "public.orders")
        Changes("SHOP_DSN", "public.orders", slot="etl_orders")

    A merge or scd2 model with `deletes: _deleted` and `order: _position` holds the table, or its history.
    """

    # The table, with its schema: `public.orders`, or of MariaDB with its database. Quote a part with a dot in it:
    # `public."odd.name"`.
    table: str
    _: KW_ONLY
    # The replication slot of PostgreSQL, which is this source's alone; small letters, digits and `_`. Empty: a
    # name of its own, from the source and where the project lies.
    slot: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.table, str) or not parts_of(self.table):
            raise ContractError(f"{self.named} does not name a table such as 'public.orders'.")
        if self.slot and not (isinstance(self.slot, str) and _SLOT.fullmatch(self.slot)):
            raise ContractError(
                f"{self.named}: slot={self.slot!r} cannot be the name of a slot. Take small letters, digits and "
                "_, 60 at the most."
            )

    @property
    def named(self) -> str:
        """What messages call it."""
        return f"fetch=Changes({self.dsn!r}, {self.table!r})"

    @property
    def mode(self) -> str:
        """How deliveries come: each is what has changed since the last one."""
        return "cursor"

    @property
    def together(self) -> str:
        """A slot is read by itself: its snapshot is its own."""
        return ""

    @property
    def format(self) -> Format:
        """What is landed: one record a change."""
        from etl.sources.formats.json import JsonLines

        return JsonLines()
