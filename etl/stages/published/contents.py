"""What a candidate holds, as hashes: one for each table, kept by partition, so that only what is new is read.

The hash of a partition stays good for as long as what it was loaded or built from is the same (its `basis`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from etl.engine.quoting import identifier, literal, qualified
from etl.ledger import digest
from etl.models import Columns, meanings_of_views
from etl.stages.published.record import Contents
from etl.stages.warehouse import (
    FILE_VIEWS,
    HASHED,
    Day,
    Held,
    all_views,
    columns_of,
    columns_print,
    held_parts,
    on_days,
    read_hashes,
    row_hashes,
    rows_of_days,
    transaction,
)

if TYPE_CHECKING:
    import duckdb

#: So many whole tables are hashed by one statement.
_TOGETHER = 50
#: What a content begins with; another one, when the same text would stand for something else.
_FORM = "exact-"
#: What the hash of no rows begins with.
_NO_ROWS = "0-"


_TABLES = (
    "select schema_name || '.' || table_name from duckdb_tables() "
    "where database_name = current_database() and schema_name <> 'etl'"
)
#: Raw tables that are views over the lake hold rows of their own: they are looked at as tables are.
_RAW_VIEWS = (
    "select 'raw.' || view_name from duckdb_views() "
    "where database_name = current_database() and schema_name = 'raw' and not internal"
)
#: So do models whose partitions are files.
_FILE_VIEWS = f"select name from ({FILE_VIEWS})"
_VIEWS = (
    "select schema_name || '.' || view_name as view, sql from duckdb_views() "
    "where database_name = current_database() and not internal and schema_name <> 'raw' "
    f"and view not in ({_FILE_VIEWS})"
)
_COLUMNS = (
    "select schema_name || '.' || table_name, column_name, data_type, comment from duckdb_columns() "
    "where database_name = current_database() and not internal and schema_name <> 'etl' "
    "order by schema_name, table_name, column_index"
)
_COMMENTS = (
    "select schema_name || '.' || table_name, comment from duckdb_tables() "
    "where database_name = current_database() union all "
    "select schema_name || '.' || view_name, comment from duckdb_views() "
    "where database_name = current_database() and not internal"
)
_MACROS = (
    "select schema_name, function_name, parameters, macro_definition from duckdb_functions() "
    "where database_name = current_database() and not internal"
)
_FACTS = (
    "select source, date, file, sha256 from etl.partitions",
    "select name, table_name, severity, passed, failing from etl.checks",
)


class _Part(NamedTuple):
    """A partition of a table; with `day` None, all of a table that has none. Its hash is good for its `basis`.

    The names and types of the table's columns are in the basis.
    """

    table: str
    day: Day
    basis: str


def contents_of(
    con: duckdb.DuckDBPyConnection,
    partitions: Mapping[str, str],
    keys: Mapping[str, Sequence[str]],
    *,
    has_raw_views: bool,
) -> dict[str, Contents]:
    """Return what each table and view of the candidate holds; hashes of its rows are kept in etl._hashes.

    `partitions` is the partition column of each table that is hashed by partition, `keys` the columns that name
    a row. Whether raw tables that are views over the lake are published, and so among them, `has_raw_views` says.
    """
    query = " union all ".join([_TABLES, _FILE_VIEWS, *([_RAW_VIEWS] if has_raw_views else [])])
    tables = sorted(name for (name,) in con.execute(query).fetchall())
    columns = columns_of(con)
    prints = defaultdict(str, {table: columns_print(types) for table, types in columns.items()})
    parts = [(part, _part(part, prints)) for part in held_parts(con)]
    wanted, noted = _parts(parts, tables), _noted(con)
    hashes = {part: text for part, text in (noted | _built(parts)).items() if part in wanted}
    hashes |= _hashed(con, [part for part in wanted if part not in hashes], partitions, columns)
    _note(con, noted, hashes, partitions)
    held: dict[str, dict[Day, str]] = {name: {} for name in tables}
    for part, text in hashes.items():
        held[part.table][part.day] = text
    views = con.execute(_VIEWS).fetchall()
    found = {name: _table(days, columns[name], keys.get(name, ())) for name, days in held.items()}
    meanings = meanings_of_views(con, [sql for _, sql in views])
    return found | {
        name: Contents("view", None, digest(text), tuple(keys.get(name, ())))
        for (name, _), text in zip(views, meanings, strict=True)
    }


def content_of(con: duckdb.DuckDBPyConnection, tables: Mapping[str, Contents], exports: object) -> str:
    """Return what stands for all that analysts can see: rows, columns, comments, checks, rejects, `exports`."""
    left_out = {name for (name,) in con.execute(_RAW_VIEWS).fetchall()} - tables.keys()
    seen = [
        sorted(str(row) for row in con.execute(query).fetchall() if row[0] not in left_out)
        for query in (_COLUMNS, _COMMENTS)
    ]
    seen += [sorted(map(str, con.execute(query).fetchall())) for query in (*_FACTS, _rejects(con))]
    macros = con.execute(_MACROS).fetchall()
    texts = meanings_of_views(con, [text for *_, text in macros])
    seen.append(sorted(str((*macro[:-1], text)) for macro, text in zip(macros, texts, strict=True)))
    return _FORM + digest({name: (item.kind, item.hash) for name, item in tables.items()}, seen, exports)


def is_content(text: str) -> bool:
    """Return whether content_of() made a text; what an earlier form of it called the same may differ."""
    return text.startswith(_FORM)


def _rejects(con: duckdb.DuckDBPyConnection) -> str:
    """Return a query for the hash of all rejected records, whichever run it was that took them."""
    columns = con.execute("select column_name, column_type from (describe etl.rejects)").fetchall()
    kept = tuple((name, type) for name, type in columns if name != "run_id")
    return f"select {row_hashes(con, 'etl.rejects', kept)} from etl.rejects"


def _parts(parts: Sequence[tuple[Held, _Part]], tables: Sequence[str]) -> set[_Part]:
    """Return all partitions there are; a table that etl knows nothing of is one."""
    there = set(tables)
    known = {part for held, part in parts if held.table in there}
    unknown = set(tables) - {part.table for part in known}
    return known | {_Part(name, None, "") for name in unknown}


def _part(part: Held, prints: Mapping[str, str]) -> _Part:
    return _Part(part.table, part.day, f"{part.basis} {prints[part.table]}")


def _noted(con: duckdb.DuckDBPyConnection) -> dict[_Part, str]:
    rows = con.execute("select name, date, basis, content from etl._hashes").fetchall()
    return {_Part(*row[:3]): row[3] for row in rows}


def _built(parts: Sequence[tuple[Held, _Part]]) -> dict[_Part, str]:
    """Return the hashes by which models were compared with what they were when they were built."""
    is_hash = re.compile(HASHED).fullmatch
    return {part: held.version for held, part in parts if held.version and is_hash(held.version)}


def _hashed(
    con: duckdb.DuckDBPyConnection,
    parts: Iterable[_Part],
    partitions: Mapping[str, str],
    columns: Mapping[str, Columns],
) -> dict[_Part, str]:
    """Return the hashes of partitions, read now."""
    by_table: dict[str, list[_Part]] = defaultdict(list)
    for part in parts:
        by_table[part.table].append(part)
    views, selects = all_views(con), []
    for table, found in by_table.items():
        days, partition = [part.day for part in found], partitions.get(table, "")
        source = rows_of_days(con, table, views[table], days) if partition and table in views else qualified(table)
        selects.append(_select(table, source, row_hashes(con, table, columns[table]), partition, days))
    rows: dict[tuple[str, Day], str] = {}
    for start in range(0, len(selects), _TOGETHER):
        query = " union all ".join(selects[start : start + _TOGETHER])
        widest = max(len(columns[table]) for table in list(by_table)[start : start + _TOGETHER])
        rows |= {(table, day): text for table, day, text in read_hashes(con, query, widest)}
    return {part: rows.get((part.table, part.day), _NO_ROWS) for found in by_table.values() for part in found}


def _select(table: str, source: str, hashes: str, partition: str, days: Sequence[Day]) -> str:
    """Return a query for the hashes of some partitions of a table, or of all of a table that has none."""
    name = literal(table)
    if not partition:
        return f"select {name}, null::date, {hashes} from {source}"
    where = " or ".join(on_days(partition, days))
    return f"select {name}, {identifier(partition)}, {hashes} from {source} where {where} group by 2"


def _note(
    con: duckdb.DuckDBPyConnection,
    noted: Mapping[_Part, str],
    hashes: Mapping[_Part, str],
    partitions: Mapping[str, str],
) -> None:
    """Make etl._hashes hold these hashes; those that it has stay as they are."""
    gone = [part for part, text in noted.items() if hashes.get(part) != text]
    new = [(part, text) for part, text in hashes.items() if part.basis and noted.get(part) != text]
    with transaction(con):
        if gone:
            con.execute(
                "delete from etl._hashes as noted using "
                "(select unnest($1) as name, unnest($2::date[]) as date, unnest($3) as basis) as gone "
                "where noted.name = gone.name and noted.date is not distinct from gone.date "
                "and noted.basis = gone.basis",
                [list(column) for column in zip(*gone, strict=True)],
            )
        if new:
            rows = [(*part, text, partitions.get(part.table, "")) for part, text in new]
            con.execute(
                "insert into etl._hashes select unnest($1), unnest($2)::date, unnest($3), unnest($4), unnest($5)",
                [list(column) for column in zip(*rows, strict=True)],
            )
        con.execute(
            "update etl._hashes set partition = now.partition "
            "from (select unnest($1) as name, unnest($2) as partition) as now "
            "where _hashes.name = now.name and _hashes.partition <> now.partition",
            [list(partitions), list(partitions.values())],
        )


def _table(days: Mapping[Day, str], columns: Columns, key: Sequence[str]) -> Contents:
    # a partition without rows is as good as none
    full = {str(day): text for day, text in days.items() if not text.startswith(_NO_ROWS)}
    rows = sum(int(text.split("-")[0]) for text in full.values())
    return Contents("table", rows, digest(columns_print(columns), full), tuple(key))
