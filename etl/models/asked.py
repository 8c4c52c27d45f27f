"""What the header of a model asks for, as plain data: how its table is built, and for whom."""

from __future__ import annotations

from dataclasses import dataclass

#: What `deletes:` says if a key is deleted by not being in a snapshot.
ABSENT = "absent"

#: What `known:` says if a value is known when the delivery of its partition's date is.
DELIVERY = "delivery"

#: What `known:` says if rows are known from the start, and only some of their columns later.
ALWAYS = "always"

#: Names and types, in order.
Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the comment lines `-- name: value` at the top of a model say; see header.read_header()."""

    # The name of its kind; see kinds.KINDS.
    materialized: str = "table"
    # The DATE column that tells which partition a row belongs to.
    partition: str = ""
    # So many days before a partition are looked at too, on the author's word.
    lookback: int = 0
    # The columns that name a row of a merge or of a history.
    key: tuple[str, ...] = ()
    # Of several rows with one key, the greatest in these columns counts.
    order: tuple[str, ...] = ()
    # The boolean column that says a row is deleted, or ABSENT.
    deletes: str = ""
    # In a history, the column that tells since when a row holds; by default the partition.
    valid_from: str = ""
    # In a history, the only columns of which a new value is a new version; or those of which none is.
    versions: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()
    # Who computes its SELECT, if a night has it: `spark`; by default DuckDB.
    engine: str = ""
    # Tables whose changes alone do not build it again, on the author's word.
    tolerates: tuple[str, ...] = ()
    # The class name of the contract, if it does not name the table itself.
    contract: str = ""
    owner: str = ""
    tags: tuple[str, ...] = ()
    # The units of columns, as (column, unit).
    unit: tuple[tuple[str, str], ...] = ()
    # The descriptions of columns, as (column, text).
    column: tuple[tuple[str, str], ...] = ()
    # Of a feature: the columns that name what it is about, when a value is of, how long it may be used. The column
    # that tells since when a row was known, if that is later than its event, or DELIVERY, any model may have.
    entity: tuple[str, ...] = ()
    event_time: str = ""
    ttl: str = ""
    known: str = ""
    # Of another model: its columns that are known later than its rows, as (column, time); see `known`.
    known_columns: tuple[tuple[str, str], ...] = ()
    # Of a feature set: the features that its rows get, and the expression of the moment of each row.
    features: tuple[str, ...] = ()
    at: str = ""
    # `lake`: its rows are in files, and its table is a view of them.
    storage: str = ""
    # `parquet`: the table goes to the lake too.
    export: str = ""
    # Whether the rest is published with what it held before, if it fails.
    optional: bool = False
    # After so many minutes its build is ended; 0: never.
    timeout_minutes: float = 0

    def building(self) -> tuple[object, ...]:
        """Return what decides on the content of the table, for its fingerprint."""
        names = (
            *("materialized", "partition", "lookback", "key", "order", "deletes", "valid_from", "tolerates"),
            *("versions", "ignores"),
        )
        # what was built before there were others is not built again for it
        newer = (self.storage, self.engine)
        return (*(getattr(self, name) for name in names), *filter(None, newer))
