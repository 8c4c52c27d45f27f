"""A project with one fetched source of orders, and whoever sends them; see tests/support/senders.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.project import Project
from etl.sources import Source
from etl.stages import fetched
from tests.support import tiny
from tests.support.senders import Row, Sender

DAY = date(2024, 3, 1)
CONTRACTS = """
import pandera.pandas as pa
from etl import *

class Orders(pa.DataFrameModel):
    id: int
    item: str = pa.Field(nullable=True)
    updated_at: str
"""
MERGE = "-- materialized: merge\n-- key: id\n-- order: updated_at\nselect id, item, updated_at from raw.orders"
PLAIN = "select id, item, updated_at from raw.orders"


class Shop:
    """A project with one fetched source, and its sender."""

    def __init__(self, project: Project, sender: Sender) -> None:
        self.project, self.sender = project, sender

    @property
    def source(self) -> Source:
        return definitions(self.project, Ledger(self.project.ledger))[0].sources["orders"]

    def fetch(self, day: date = DAY, **options: Any) -> fetched.Fetched:
        return fetched.fetch(self.project, self.source, day, **options)

    def published(self, day: date = DAY) -> list[tuple[int, str | None]]:
        """Publish what was fetched, and return number and item of each order, by number; no text is none."""
        tiny.night(self.project, day)
        found = tiny.published(self.project, "select id, item from marts.orders order by id")
        return [(number, item or None) for number, item in found]

    def holds(self, rows: Sequence[Row], day: date = DAY) -> bool:
        """Publish what was fetched, and return whether it is these orders."""
        return self.published(day) == [(number, item or None) for number, item, _ in sorted(rows)]

    @property
    def files(self) -> list[str]:
        return sorted(str(p.relative_to(self.project.fetched)) for p in all_files(self.project.fetched))

    @property
    def left(self) -> list[Path]:
        return all_files(self.project.fetching_aside)


@contextmanager
def opened(
    maker: Callable[[Path], AbstractContextManager[Sender]],
    folder: Path,
    *,
    contract: str = CONTRACTS,
    options: str = "",
) -> Iterator[Shop]:
    """Give a project whose source is fetched from a new sender, which has no orders yet.

    `options` are more of the source, beside those that the sender needs.
    """
    (folder / "sender").mkdir()
    with maker(folder / "sender") as sender:
        said = filter(None, (sender.options, options))
        declared = f"orders = Source(contract=Orders, fetch={sender.fetch}, {', '.join(said)})"
        contracts = f"{contract}\n{sender.contracts}\n{declared}\n"
        project = tiny.project(folder / "project", contracts, {}, {}, "threads = 1\nretries = 0\n")
        with patch.dict(os.environ, {**sender.environment, "ETL_PROJECT": str(project.root)}):
            found = Shop(project, sender)
            (project.sql / "marts").mkdir()
            repeats = found.source.fetch.repeats_rows
            (project.sql / "marts/orders.sql").write_text(MERGE if repeats else PLAIN)
            yield found


def all_files(folder: Path) -> list[Path]:
    """Return the files in a folder and below it."""
    return [path for path in folder.rglob("*") if path.is_file()]
