"""Fetches a table by its cursor with dlt, in an environment of its own; `benchmarks/cursors.py` says when.

Usage: python cursors_dlt.py DSN LAG_SECONDS
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import dlt
import duckdb
from dlt.sources.sql_database import sql_table


def main() -> None:
    """Do what each line says: `new` forgets all, `fetch` runs the pipeline, `held` prints what is loaded."""
    dsn, lag = sys.argv[1], float(sys.argv[2])
    folder = Path(tempfile.mkdtemp())
    pipeline: Any = None
    for line in sys.stdin:
        if line.strip() == "new":
            shutil.rmtree(folder)
            folder.mkdir()
            pipeline = dlt.pipeline(
                "items",
                pipelines_dir=str(folder / "state"),
                destination=dlt.destinations.duckdb(str(folder / "items.duckdb")),
                dataset_name="shop",
            )
            said: Any = None
        elif line.strip() == "fetch":
            since = dlt.sources.incremental("updated_at", lag=lag or None)
            table = sql_table(dsn, table="items", incremental=since, primary_key="id", write_disposition="merge")
            pipeline.run(table)
            said = None
        else:
            said = held(folder / "items.duckdb")
        print(json.dumps(said), flush=True)


def held(path: Path) -> list[tuple[int, int]]:
    """Return id and value of each row that was loaded."""
    try:
        with duckdb.connect(str(path)) as con:
            return con.execute("select id, value from shop.items").fetchall()
    except duckdb.CatalogException:
        return []


if __name__ == "__main__":
    main()
