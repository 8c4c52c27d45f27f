"""The models bound to empty tables in memory: their columns, and the faults that only DuckDB's binder sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etl.contract.audit import BATCH_DATE, COUNT_COLUMNS, PROFILE_COLUMNS, PROFILES, ROW_COUNTS, Audit
from etl.contract.audit_types import type_problems
from etl.engine.quoting import identifier, qualified
from etl.errors import ModelError, sentence, unknown
from etl.models.asked import ABSENT, ALWAYS, DELIVERY, Columns
from etl.models.kinds import Kind
from etl.models.model import Given, Model
from etl.models.query import Query, explained, message_of

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
        self.given = {table.name: table for table in given}
        for table in self.given.values():
            self.define(table.name, table.columns)

    def define(self, name: str, columns: Columns) -> None:
        """Make an empty table, in place of the one that is there by this name."""
        self._schema(name)
        text = ", ".join(f"{identifier(column)} {type}" for column, type in columns)
        self.con.execute(f"create or replace table {qualified(name)} ({text})")

    def bind(self, name: str, query: Query, kind: Kind) -> None:
        """Make the view, or the empty table, of a SELECT. Raises ModelError for what DuckDB cannot bind."""
        self._schema(name)
        self.distinct_on |= {name} if query.has_distinct_on() else set()
        with explained(query.file, 2):
            if kind.is_stored:
                self.con.execute(f"create table {qualified(name)} as from (\n{query.sql}\n) limit 0")
            else:
                self.con.execute(f"create view {qualified(name)} as\n{query.sql}")

    def check(self, query: Query) -> None:
        """Raise ModelError for a SELECT that DuckDB cannot bind."""
        with explained(query.file, 2):
            self.con.execute(f"explain\n{query.sql}")

    def check_audits(self, audits: Iterable[Audit]) -> None:
        """Raise ModelError for an audit of a built-in kind that DuckDB cannot bind."""
        import duckdb

        types = {name: dict(columns) for name, columns in self.all_columns().items()}
        self.define(ROW_COUNTS, COUNT_COLUMNS)
        self.define(PROFILES, PROFILE_COLUMNS)
        self.con.execute(f"set variable {BATCH_DATE} = date '2000-01-01'")
        for audit in audits:
            for what in type_problems(audit, types):
                raise ModelError(f"{audit.place}: {audit.why}: {sentence(what)}")
            try:
                self.con.execute(f"explain\n{audit.sql}")
            except duckdb.Error as error:
                what = message_of(error)
                raise ModelError(f"{audit.place}: {audit.why}: {sentence(what)}") from error

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


def with_columns(model: Model, lines: Mapping[str, int]) -> Model:
    """Return a model whose columns are known, with the names in its header spelled as its SELECT does.

    DuckDB's names are the same in capital letters. Raises ModelError for a header that names a column which the
    SELECT does not have, or of another type.
    """
    header, spelling = model.header, {name.lower(): name for name, _ in model.columns}

    def spelled(key: str, name: str) -> str:
        if name.lower() not in spelling:
            what = unknown(f"{key}: the SELECT has no column {name}", name, spelling.values())
            raise _error(model, lines[key], what)
        return spelling[name.lower()]

    header = replace(header, known=header.partition if header.known == DELIVERY else header.known)
    ones = {key: getattr(header, key) for key in ("partition", "deletes", "valid_from", "event_time", "known")}
    found: dict[str, Any] = {
        key: spelled(key, name) for key, name in ones.items() if name not in ("", ABSENT, ALWAYS)
    }
    for key in ("key", "order", "versions", "ignores", "entity"):
        found[key] = tuple(spelled(key, name) for name in getattr(header, key))
    for key in ("unit", "column"):
        found[key] = tuple((spelled(key, name), text) for name, text in getattr(header, key))
    found["known_columns"] = tuple(
        (spelled("known", name), spelled("known", time)) for name, time in header.known_columns
    )
    header = replace(header, **found)
    model = replace(model, header=header)
    types = dict(model.columns)
    if header.deletes not in ("", ABSENT) and types[header.deletes] != "BOOLEAN":
        raise _error(model, lines["deletes"], f"deletes: {header.deletes} is {types[header.deletes]}, not BOOLEAN")
    if header.partition and types[header.partition] != "DATE":
        what = f"partition: {header.partition} is {types[header.partition]}, not DATE"
        raise _error(model, lines["partition"], f"{what}. Cast it")
    for key, what in model.kind.faults(model):
        raise _error(model, lines[key], what)
    _check_versions(model, lines)
    return model


def _check_versions(model: Model, lines: Mapping[str, int]) -> None:
    """Raise ModelError for columns that cannot be told to make a version, or not to."""
    header = model.header
    fixed = {*header.key, header.partition, header.valid_from, header.deletes}
    for key in ("versions", "ignores"):
        if wrong := [name for name in getattr(header, key) if name in fixed]:
            what = f"{key}: {wrong[0]} names the row or its time, so it cannot count as a change"
            raise _error(model, lines[key], f"{what}. Remove it")


def _error(model: Model, line: int, what: str) -> ModelError:
    return ModelError(f"{model.file}:{line}: {sentence(what)}")
