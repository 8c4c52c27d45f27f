"""etl.profiles: the profiles that the ledger has, and tonight's, where audits and analysts find them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from etl.contract.audit import PROFILE_COLUMNS, PROFILES
from etl.engine.quoting import identifier, literal
from etl.ledger.profiles import Noted, Part, Row
from etl.stages.warehouse import transaction

if TYPE_CHECKING:
    import duckdb

#: The columns that the ledger has as JSON.
_FACTS = dict(PROFILE_COLUMNS[5:])
#: What quotes values.
_QUOTING = [name for name in _FACTS if name not in ("rows", "nulls", "approx_distinct")]
#: Their types, as from_json() is told them.
_SHAPE = json.dumps({name: [type[:-2]] if type.endswith("[]") else type for name, type in _FACTS.items()})


def drop(con: duckdb.DuckDBPyConnection) -> None:
    """Have no profiles."""
    con.execute(f"drop table if exists {PROFILES}")


def clean(con: duckdb.DuckDBPyConnection, noted: Mapping[Part, Noted], hidden: Iterable[tuple[str, str]]) -> None:
    """Delete what the ledger lacks, as after a candidate that failed, and the values of `hidden` columns."""
    if not _exists(con):
        return
    strange = _parts(con) - _keys(noted)
    with transaction(con):
        _delete(con, [part for part, _ in strange])
        for table, column in hidden:
            nothing = ", ".join(f"{identifier(name)} = null" for name in _QUOTING)
            con.execute(
                f"update {PROFILES} set {nothing} where table_name = $1 and column_name = $2", [table, column]
            )


def lacking(con: duckdb.DuckDBPyConnection, noted: Mapping[Part, Noted]) -> list[Part]:
    """Return the parts of the ledger that the table lacks; it is made if it is not there."""
    define(con)
    there = _parts(con)
    return [part for part, run in _keys(noted) if (part, run) not in there]


def write(con: duckdb.DuckDBPyConnection, gone: Sequence[Part], rows: Sequence[Row]) -> None:
    """Delete the profiles of parts, and add others."""
    with transaction(con):
        _delete(con, [*gone, *{row.part for row in rows}])
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            con.execute(
                f"insert into {PROFILES} by name "
                f"select * exclude (facts), unnest(from_json(facts, {literal(_SHAPE)})) from ("
                "select unnest($1) as table_name, unnest($2) as partition, unnest($3) as column_name, "
                "unnest($4) as run_id, unnest($5)::date as batch_date, unnest($6) as facts)",
                columns,
            )


def define(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table, if it is not there."""
    if _exists(con):
        return
    con.execute(
        f"create table {PROFILES} ({', '.join(f'{identifier(name)} {type}' for name, type in PROFILE_COLUMNS)})"
    )


def _exists(con: duckdb.DuckDBPyConnection) -> bool:
    query = (
        "select list(column_name order by column_index) from duckdb_columns() "
        "where database_name = current_database() and schema_name || '.' || table_name = $1"
    )
    ((names,),) = con.execute(query, [PROFILES]).fetchall()
    if names and names != [name for name, _ in PROFILE_COLUMNS]:
        # an earlier etl made it; the ledger has all that is in it
        drop(con)
        return False
    return bool(names)


def _parts(con: duckdb.DuckDBPyConnection) -> set[tuple[Part, str]]:
    query = f"select table_name, partition, batch_date::varchar, run_id from {PROFILES} where column_name = ''"
    return {(Part(*row[:3]), row[3]) for row in con.execute(query).fetchall()}


def _keys(noted: Mapping[Part, Noted]) -> set[tuple[Part, str]]:
    return {(part, found.run_id) for part, found in noted.items()}


def _delete(con: duckdb.DuckDBPyConnection, parts: Sequence[Part]) -> None:
    if parts:
        columns = [list(column) for column in zip(*parts, strict=True)]
        con.execute(
            f"delete from {PROFILES} using (select unnest($1) as t, unnest($2) as p, unnest($3)::date as d) "
            "where table_name = t and partition = p and batch_date = d",
            columns,
        )
