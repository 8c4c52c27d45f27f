"""Column lineage for the graph of the report: kept in the ledger's cache, since to trace it DuckDB is needed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from etl.ledger import Ledger, fingerprint
from etl.models import Models
from etl.sources import Catalog

if TYPE_CHECKING:
    from etl.models.lineage import Lineage

#: Raise it when the same definitions would now be traced or told otherwise.
_VERSION = 2
_CACHED = "lineage"
#: Longer expressions are cut; the SQL is beside them.
_LONGEST = 200


def edges(catalog: Catalog, models: Models, ledger: Ledger) -> dict[str, Any]:
    """Return what each column is made of, and what decides on the rows of each table.

    `v` is, by table and column, the columns of other tables that are its value, with the expressions; `f` is, by
    table, the columns that filter, join, group or order its rows. The first time after a change of the SQL it is
    traced; from then on the ledger has it.
    """
    key = fingerprint(_VERSION, ledger.cache_key("catalog"), ledger.cache_key("models"))
    if text := ledger.cached(_CACHED, key):
        found: dict[str, Any] = json.loads(text)
        return found
    from etl.models.lineage import read_lineage

    found = _told(read_lineage(catalog, models))
    ledger.cache(_CACHED, key, json.dumps(found))
    return found


def _told(lineage: Lineage) -> dict[str, Any]:
    from etl.models.lineage.graph import is_outer

    values: dict[str, dict[str, Any]] = {}
    for column, origins in lineage.values.items():
        if is_outer(column.table) and origins:
            said = [one.sql[:_LONGEST] for one in lineage.made(column).expressions if one.sql != column.name]
            values.setdefault(column.table, {})[column.name] = [[list(origin) for origin in origins], said]
    rows = {
        table: [list(origin) for origin in origins]
        for table, origins in lineage.rows.items()
        if is_outer(table) and origins and lineage.tables[table].columns
    }
    opaque = {name: table.opaque for name, table in lineage.tables.items() if table.opaque and is_outer(name)}
    return {"v": values, "f": rows, "opaque": opaque}
