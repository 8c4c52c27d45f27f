"""What is at hand when a table of a model that learns is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import identifier, qualified
from etl.models.trained import Learned
from etl.models.trained.tables import columns_of, table_of
from etl.stages.trained.artefact import IN_ROWS, Artefacts
from etl.stages.trained.heard import NOBODY, Heard
from etl.stages.trained.training import Rows

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One table to be made of a model that learns, by a connection that only reads.

    `before` are the rows that the table had, if it is made of these too.
    """

    learned: Learned
    con: duckdb.DuckDBPyConnection
    before: Sequence[Row] = ()
    #: The days to predict; None: all of them.
    days: Sequence[date | None] | None = None
    heard: Heard = NOBODY
    artefacts: Artefacts = IN_ROWS

    @property
    def rows(self) -> Rows:
        """The rows that it learns from."""
        return Rows(self.con, self.learned)

    def read(self, role: str) -> list[Row]:
        """Return the rows of another of its tables."""
        names = [name for name, _ in columns_of(role)]
        query = f"select {', '.join(map(identifier, names))} from {qualified(table_of(self.learned, role))}"
        return [dict(zip(names, row, strict=True)) for row in self.con.execute(query).fetchall()]
