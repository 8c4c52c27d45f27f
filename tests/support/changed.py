"""A table whose changes are fetched into a merge and into a history, on each server that tells them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow
import pytest

from etl.errors import FetchError
from etl.stages.fetched import Fetched, landing
from tests.support import databases as db
from tests.support import tiny
from tests.support.servers import Server

DAY = date(2024, 3, 1)
ABOUT = """
    op: str = pa.Field(alias="_op")
    deleted: bool = pa.Field(alias="_deleted")
    position: str = pa.Field(alias="_position")
    xid: str = pa.Field(alias="_xid", nullable=True)
    committed_at: str = pa.Field(alias="_committed_at")
"""
CONTRACT = f"""
from etl import Changes

class Orders(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)
    price: str = pa.Field(nullable=True)
{ABOUT}
orders = Source(contract=Orders, fetch=Changes("SHOP_DSN", "public.orders"))
"""
MERGE = "-- materialized: merge\n-- key: id\n-- order: _position\n-- deletes: _deleted\n"
SCD2 = (
    "-- materialized: scd2\n-- partition: delivery_date\n-- key: id\n-- order: _position\n-- deletes: _deleted\n"
)
SELECT = "select id, item, price, _position, _deleted from raw.orders"


class Changed(ABC):
    """The table, and the project that fetches what is done to it; a subclass talks to its server."""

    #: The contracts, and the rows that the table has as text.
    contract = CONTRACT
    held = "select id::text, item, price::text from orders"

    def __init__(self, root: Path, server: Server) -> None:
        self.server = server
        models = {
            "marts/orders.sql": MERGE + SELECT,
            "marts/versions.sql": SCD2 + SELECT.replace("select", "select delivery_date,"),
        }
        self.project = db.project(root, self.contract, models)

    @abstractmethod
    def run(self, *statements: str) -> None:
        """Run statements on the server."""

    @abstractmethod
    def ask(self, query: str) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a SELECT."""

    def fetch(self, day: date = DAY, **options: Any) -> Fetched:
        return db.fetched(self.project, day, "orders", **options)["orders"]

    def records(self) -> list[dict[str, Any]]:
        """Return what was landed, in order."""
        found = []
        for path in sorted(self.project.fetched.rglob("*.zst")):
            with pyarrow.input_stream(str(path), compression="zstd") as file:
                found += [json.loads(line) for line in file.read().splitlines() if line]
        return sorted(found, key=lambda one: (one["_position"], one["_op"]))

    def changes(self) -> list[tuple[Any, ...]]:
        """Return what was done to which row, in order."""
        return [(one["_op"], one["id"], one["item"]) for one in self.records()]

    def check(self, day: date) -> None:
        """Publish; see that both models hold the table, and that no change was landed twice."""
        tiny.night(self.project, day)
        held = sorted(self.ask(self.held), key=str)
        for query in ("marts.orders", "marts.versions where is_current"):
            found = tiny.published(self.project, f"select id::text, item, price from {query}")
            assert sorted(found, key=str) == held, query
        told = [(one["_position"], one["id"]) for one in self.records() if one["_op"] != "snapshot"]
        assert len(told) == len(set(told))


def check_each_change_comes(shop: Changed, *others: str, gone: str | None) -> None:
    """See that the table comes first and then each change of it, and nothing of `others`, which are done too.

    `gone` is what is told of the item of a row that was deleted.
    """
    shop.run("insert into orders values (1, 'book', 9.5), (2, null, null)")
    assert shop.fetch().rows == 2
    shop.run(
        "insert into orders values (3, 'cup', 1)",
        "update orders set price = 10 where id = 1",
        "update orders set id = 4 where id = 2",
        "delete from orders where id = 3",
        *others,
    )
    assert shop.fetch(DAY + timedelta(1)).rows == 5
    assert shop.changes() == [
        ("snapshot", "1", "book"),
        ("snapshot", "2", None),
        ("insert", "3", "cup"),
        ("update", "1", "book"),
        ("delete", "2", None),
        ("update", "4", None),
        ("delete", "3", gone),
    ]
    shop.check(DAY + timedelta(1))


@contextmanager
def ending(monkeypatch: pytest.MonkeyPatch, at: int) -> Iterator[pytest.MonkeyPatch]:
    """Have a fetch end before its second rename (1), or after it (2); or by what is patched within."""
    real, done = landing.put, []

    def put(written: Any, target: Any) -> None:
        if at == 1 and len(done) == 1:
            raise OSError(5, "ended", str(target))
        done.append(real(written, target))
        if at == 2 and len(done) == 2:
            raise OSError(5, "ended", str(target))

    with monkeypatch.context() as patched:
        patched.setattr(landing, "put", put)
        try:
            yield patched
        except FetchError as error:
            assert "ended" in str(error)
