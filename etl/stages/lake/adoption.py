"""A lost ledger made anew, from what the files of the lake say of themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from etl import engine
from etl.engine.quoting import paths
from etl.ledger import Receipt, stamp
from etl.ledger.keys import extract_key
from etl.project import Project
from etl.sources import Source
from etl.stages.lake.layout import partition_file

if TYPE_CHECKING:
    import duckdb


def adopt(project: Project, sources: Sequence[Source]) -> list[Receipt]:
    """Return receipts for what lies in the lake, from the Parquet files' own metadata: a ledger was lost."""
    import duckdb

    receipts: list[Receipt] = []
    with engine.in_memory(project) as con:
        for source in sources:
            for path in sorted((project.lake / source.name).glob("*/data.parquet")):
                # what is no Parquet file of ours is extracted again
                with suppress(duckdb.Error, KeyError, ValueError):
                    receipts += _adopted(con, project, source, path)
    return receipts


def _adopted(con: duckdb.DuckDBPyConnection, project: Project, source: Source, path: Path) -> Iterator[Receipt]:
    query = f"select decode(key), decode(value) from parquet_kv_metadata({paths([path])})"
    values = dict(con.execute(query).fetchall())
    facts = json.loads(values["facts"])
    day = date.fromisoformat(values["date"])
    rows = con.execute(f"select num_rows from parquet_file_metadata({paths([path])})").fetchall()[0][0]
    rejects = stamp(partition_file(project.quarantine, source, day))
    discarded = facts.get("discarded", 0)
    rejected = facts["records"] - rows - discarded
    # an old snapshot cannot be extracted again, and its rows are worth more than its rejects
    if rejects or source.history or not rejected + discarded:
        counts = {"rows": rows, "rejected": rejected, "discarded": discarded}
        details = {**facts, **counts, "refused": "", "lake": stamp(path), "quarantine": rejects}
        key = extract_key(source.name, day)
        yield Receipt(key, values["fingerprint"], values["run_id"], details=details)
