"""What the published tables say of themselves: rows, freshness, meaning, columns and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl import engine
from etl.contract.contract import notes_in
from etl.errors import ConfigError, EtlError, unknown
from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.project import Project
from etl.stages import published

if TYPE_CHECKING:
    import duckdb

#: Tables of the schema etl that are not for readers begin like this, or have a name that no table of SQL has.
INTERNAL = "schema_name = 'etl' and (name like '\\_%' escape '\\' or name like '% deleted' or name like '% kept')"
_TABLES = f"""
with there as (
    select schema_name, table_name as name, 'table' as kind, comment, estimated_size as rows
    from duckdb_tables() where database_name = current_database() and not internal
    union all
    select schema_name, view_name, 'view', comment, null
    from duckdb_views() where database_name = current_database() and not internal
)
select schema_name || '.' || there.name, coalesce(materialized, kind), comment,
    coalesce(models.rows, there.rows), (models.built_at at time zone 'UTC')::varchar
from there left join etl.models as models on models.name = schema_name || '.' || there.name
where not ({INTERNAL.replace("name like", "there.name like")})
order by list_position(['raw', 'etl'], schema_name) nulls first, 1
"""
_COLUMNS = """
select schema_name || '.' || table_name, column_name, data_type, comment from duckdb_columns()
where database_name = current_database() and not internal order by schema_name, table_name, column_index
"""
_LOADED = "select 'raw.' || source, max(date)::varchar, (max(loaded_at) at time zone 'UTC')::varchar, sum(rows)"
_CHECKS = "select table_name, name, severity, passed, failing from etl.checks order by table_name, name"


def known_tables(project: Project, file: Path, name: str = "") -> list[dict[str, Any]]:
    """Return what a published file says of its tables, or of the one of this name; those of etl's own come last.

    Raises ConfigError with the closest name if there is no such table.
    """
    with engine.reading(project, file) as con:
        tables = _tables(con)
        columns = _grouped(con, _COLUMNS)
        loaded = {
            row[0]: row[1:] for row in con.execute(f"{_LOADED} from etl.partitions group by source").fetchall()
        }
        checks = _grouped(con, _CHECKS)
    if name and name.lower() not in tables:
        raise ConfigError(unknown(f"There is no published table {name}", name, tables, "`etl tables` lists them"))
    sources, dated = _sources(project)
    record = published.read_record(file.parent)
    found = []
    for table, facts in tables.items():
        if name.lower() not in ("", table):
            continue
        under = [source for source in sources.get(table, (table,)) if source in loaded]
        days = [loaded[source][0] for source in under if source in dated]
        at, rows = loaded.get(table, (None, None, None))[1:]
        known = record.tables.get(table) if record else None
        found.append(
            {
                "table": table,
                **facts,
                "rows": facts["rows"] if rows is None else int(rows),
                "built_at": facts["built_at"] or at,
                "up_to": min(days) if days else max((loaded[source][0] for source in under), default=None),
                "key": list(known.key) if known else [],
                "columns": [_column(*row) for row in columns.get(table, ())],
                "checks": [_check(*row) for row in checks.get(table, ())],
            }
        )
    return found


def _tables(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    found = {}
    for table, kind, comment, rows, built_at in con.execute(_TABLES).fetchall():
        said = notes_in(comment or "")
        facts = {"description": said["description"], "owner": said.get("owner", "")}
        found[table.lower()] = {"kind": kind, **facts, "rows": rows, "built_at": built_at}
    return found


def _grouped(con: duckdb.DuckDBPyConnection, query: str) -> Mapping[str, Sequence[Sequence[Any]]]:
    found: dict[str, list[Sequence[Any]]] = {}
    for table, *rest in con.execute(query).fetchall():
        found.setdefault(table.lower(), []).append(rest)
    return found


def _column(name: str, type: str, comment: str | None) -> dict[str, Any]:
    said = notes_in(comment or "")
    unit, pii = said.get("unit", ""), said.get("pii", "")
    return {"column": name, "type": type, "unit": unit, "pii": pii, "description": said["description"]}


def _check(name: str, severity: str, passed: bool, failing: int) -> dict[str, Any]:
    return {"name": name, "severity": severity, "passed": passed, "failing": failing}


def _sources(project: Project) -> tuple[Mapping[str, Sequence[str]], frozenset[str]]:
    """Return the raw tables that each model stands on, and those of dated sources.

    There are none of either if contracts or SQL cannot be read now.
    """
    try:
        catalog, models = definitions(project, Ledger(project.ledger, is_reading=True))
    except EtlError:
        return {}, frozenset()
    found: dict[str, tuple[str, ...]] = {}
    for model in models.models.values():
        found[model.name] = tuple({one for read in model.reads for one in found.get(read, (read,))})
    return found, frozenset(source.table for source in catalog.sources.values() if source.is_dated)
