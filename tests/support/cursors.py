"""Fetches of a table without a project: what was landed is kept in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from etl.contract.contract import Column, Contract
from etl.sources.fetches.database import Table
from etl.stages.fetched import Asked, Landing, Manifest
from etl.stages.fetched.kinds import database

if TYPE_CHECKING:
    from etl.stages.fetched.kinds.database.postgresql import PostgreSQL

ITEMS = Contract(
    "Items",
    columns=(
        Column("id", "BIGINT", False),
        Column("value", "INTEGER", False),
        Column("updated_at", "TIMESTAMP WITH TIME ZONE", False),
    ),
)


class InMemory:
    """What a kind writes through."""

    def __init__(self, begun: Callable[[], None] = lambda: None) -> None:
        self.batches: list[pa.RecordBatch] = []
        self.rows, self._begun = 0, begun

    def table(self, schema: pa.Schema) -> InMemory:
        self.batches, self.rows = [], 0
        self._begun()
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        self.batches.append(batch)
        self.rows += batch.num_rows


class Reader:
    """Fetches a table again and again, each time from where the last fetch has left it; a later row wins.

    With `sessions` the connection stays open between the fetches; each has a snapshot of its own all the same.
    """

    def __init__(
        self,
        table: Table,
        sessions: database.Sessions | None = None,
        *,
        contract: Contract = ITEMS,
        key: str = "id",
    ) -> None:
        self.table, self.sessions, self.contract, self.key = table, sessions, contract, key
        self.newest: Manifest | None = None
        self.rows: dict[int, int] = {}

    def fetch(self, during: Callable[[], None] = lambda: None) -> list[dict[str, Any]]:
        """Fetch what is new, and return its rows."""
        landing = InMemory(during)
        if self.sessions is not None:
            cast("PostgreSQL", self.sessions.of(self.table.dsn)).renew()
        asked = asked_for(self.table, self.contract, self.newest, shared=self.sessions)
        told = database.fetch(asked, cast("Landing", landing))
        to = told.to if told.to is not None or self.newest is None else self.newest.to
        known = {
            "source": "items",
            "kind": "Table",
            "mode": "cursor",
            "file": "",
            "started_at": "",
            "ended_at": "",
        }
        self.newest = Manifest(
            **known, to=to, horizon=told.horizon, columns=told.columns, more=told.more, rows=told.rows
        )
        rows = [row for batch in landing.batches for row in batch.to_pylist()]
        if self.key:
            self.rows |= {row[self.key]: row["value"] for row in rows}
        return rows

    def held(self) -> dict[int, int]:
        """Return the value of each id."""
        return self.rows


def asked_for(
    table: Table, contract: Contract, newest: Manifest | None, *, seconds: float = float("inf"), shared: Any = None
) -> Asked:
    """Return what one fetch is asked for, which may take so many seconds."""
    return Asked(
        source="items",
        fetch=table,
        day=date(2024, 3, 1),
        newest=newest,
        contract=contract,
        columns=tuple(column.name for column in contract.columns),
        extra="ignore",
        started=datetime.now(UTC),
        contracts=Path(),
        root=Path(),
        fetched=Path(),
        deadline=time.monotonic() + seconds,
        shared=shared,
    )
