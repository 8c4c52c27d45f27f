"""Questions that are asked of one block of rows after another: each is planned once."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

#: What the rows are called in a question.
BLOCK = "block"
_numbers = count()


class Asker:
    """Asks in one connection, for one thread: to plan a question of many rules costs as much as its answer."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._blocks: dict[pa.Schema, _Block] = {}
        self._plans: dict[tuple[pa.Schema, str, str], str] = {}

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *error: object) -> None:
        for plan in self._plans.values():
            self._con.execute(f"deallocate {plan}")
        for block in self._blocks.values():
            self._con.unregister(block.name)

    def table(self, rows: pa.Table, query: str) -> pa.Table:
        """Return what a query on the relation `block`, which are the rows, gives."""
        with self._block(rows) as block:
            return self._con.sql(f"execute {self._plan(block, query)}").to_arrow_table()

    def fetch(self, rows: pa.Table, query: str, into: str = "") -> list[tuple[Any, ...]]:
        """Return the same as tuples; or the count of what was inserted, with `into` such as `insert into t`."""
        with self._block(rows) as block:
            return self._con.execute(f"execute {self._plan(block, query, into)}").fetchall()

    def _block(self, rows: pa.Table) -> _Block:
        block = self._blocks.get(rows.schema)
        if block is None:
            block = self._blocks[rows.schema] = _Block(rows.schema, f"block_{next(_numbers)}")
            block.rows = rows
            self._con.register(block.name, block)
        block.rows = rows
        return block

    def _plan(self, block: _Block, query: str, into: str = "") -> str:
        plan = self._plans.get((block.schema, query, into))
        if plan is None:
            plan = f"question_{next(_numbers)}"
            self._con.execute(f"prepare {plan} as {into} with {BLOCK} as (from {block.name}) {query}")
            self._plans[block.schema, query, into] = plan
        return plan


class _Block:
    """A relation of other rows each time it is read; a plan holds for rows of one schema alone."""

    def __init__(self, schema: pa.Schema, name: str) -> None:
        self.schema, self.name = schema, name
        self.rows: pa.Table | None = None

    def __enter__(self) -> _Block:
        return self

    def __exit__(self, *error: object) -> None:
        # the next rows may be long in coming
        self.rows = None

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        assert self.rows is not None
        return self.rows.__arrow_c_stream__(requested_schema)
