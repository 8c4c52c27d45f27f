"""The models bound to empty tables in memory: their columns, and the faults that only DuckDB's binder sees."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from etl.audit_kinds import BATCH_DATE, COUNT_COLUMNS, ROW_COUNTS, Audit
from etl.errors import ModelError
from etl.models.model import ABSENT, HISTORY, Columns, Given, Model
from etl.models.query import Query, explained, message_of
from etl.quoting import identifier, qualified

if TYPE_CHECKING:
    import duckdb

_COLUMNS = (
    "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() "
    "where database_name = current_database() and not internal"
)


class Bound:
    """An in-memory database with an empty table, or a view, for every table of the warehouse."""

    def __init__(self, con: duckdb.DuckDBPyConnection, given: Iterable[Given]) -> None:
        self.con = con
        #: The models with a `distinct on`, below which DuckDB pushes filters that may not go there.
        self.distinct_on: set[str] = set()
        self._schemas: set[str] = set()
        for table in given:
            self.define(table.name, table.columns)

    def define(self, name: str, columns: Columns) -> None:
        """Make an empty table, in place of the one that is there by this name."""
        self._schema(name)
        text = ", ".join(f"{identifier(column)} {type}" for column, type in columns)
        self.con.execute(f"create or replace table {qualified(name)} ({text})")

    def bind(self, name: str, query: Query, materialized: str) -> None:
        """Make the view, or the empty table, of a SELECT. Raises ModelError for what DuckDB cannot bind."""
        self._schema(name)
        self.distinct_on |= {name} if query.has_distinct_on() else set()
        with explained(query.file, 2):
            if materialized == "view":
                self.con.execute(f"create view {qualified(name)} as\n{query.sql}")
            else:
                self.con.execute(f"create table {qualified(name)} as from (\n{query.sql}\n) limit 0")

    def check(self, query: Query) -> None:
        """Raise ModelError for a SELECT that DuckDB cannot bind."""
        with explained(query.file, 2):
            self.con.execute(f"explain\n{query.sql}")

    def check_audits(self, audits: Iterable[Audit]) -> None:
        """Raise ModelError for an audit of a built-in kind that DuckDB cannot bind."""
        import duckdb

        self.define(ROW_COUNTS, COUNT_COLUMNS)
        self.con.execute(f"set variable {BATCH_DATE} = date '2000-01-01'")
        for audit in audits:
            try:
                self.con.execute(f"explain\n{audit.sql}")
            except duckdb.Error as error:
                what = message_of(error)
                raise ModelError(
                    f"{audit.place}: {audit.why}: {what}{'' if what.endswith('?') else '.'}"
                ) from error

    def columns(self, name: str) -> Columns:
        """Return the columns of one table or view, with their types."""
        rows = self.con.execute(f"describe {qualified(name)}").fetchall()
        return tuple((row[0], row[1]) for row in rows)

    def all_columns(self) -> dict[str, Columns]:
        """Return the columns of every table and view."""
        found: dict[str, list[tuple[str, str]]] = {}
        for name, column, type in self.con.execute(_COLUMNS).fetchall():
            found.setdefault(name, []).append((column, type))
        return {name: tuple(columns) for name, columns in found.items()}

    def _schema(self, name: str) -> None:
        schema = name.split(".")[0]
        if schema not in self._schemas:
            self.con.execute(f"create schema if not exists {identifier(schema)}")
            self._schemas.add(schema)


def check_columns(model: Model, lines: Mapping[str, int]) -> None:
    """Raise ModelError for a header that names a column which its SELECT does not have, or of another type."""
    header, types = model.header, dict(model.columns)
    named = {
        "partition": [header.partition],
        "key": header.key,
        "order": header.order,
        "deletes": [] if header.deletes == ABSENT else [header.deletes],
        "valid_from": [header.valid_from],
        "unit": [name for name, _ in header.unit],
    }
    for key, names in named.items():
        for name in filter(None, names):
            if name not in types:
                close = difflib.get_close_matches(name, types, n=1)
                hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(types)}"
                raise _error(model, lines[key], f"{key}: the SELECT has no column {name}; {hint}")
    if header.deletes not in ("", ABSENT) and types[header.deletes] != "BOOLEAN":
        raise _error(model, lines["deletes"], f"deletes: {header.deletes} is {types[header.deletes]}, not BOOLEAN")
    _check_partition(model, lines, types)


def _check_partition(model: Model, lines: Mapping[str, int], types: Mapping[str, str]) -> None:
    header = model.header
    if header.partition and types[header.partition] != "DATE":
        what = f"partition: {header.partition} is {types[header.partition]}, not DATE"
        raise _error(model, lines["partition"], f"{what}; cast it")
    if header.materialized != "scd2":
        return
    since = header.valid_from or header.partition
    if types[since] not in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        raise _error(model, lines["valid_from"], f"valid_from: {since} is {types[since]}, not a date or timestamp")
    for name in HISTORY:
        if name in types and name != since:
            raise _error(
                model, lines["materialized"], f"history adds the column {name}; call that of the SELECT another"
            )


def _error(model: Model, line: int, what: str) -> ModelError:
    return ModelError(f"{model.file}:{line}: {what}{'' if what.endswith('?') else '.'}")
