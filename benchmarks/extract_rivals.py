"""What `extract.py` measures beside the product, each in a process of its own; prints its result as JSON.

Usage: python extract_rivals.py copy FILE TARGET [OPTIONS] | copies FOLDER TARGET | rules PROJECT PARQUET
     | pandera PROJECT PARQUET | dlt FILE FOLDER READER
`seconds` and `cpu_seconds` are of the work alone, where it is measured without what comes before it.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from extract_data import COLUMNS


def copy(file: str, target: str, options: str = "") -> dict[str, Any]:
    """Copy one file to Parquet with typed columns and nothing checked; dirt needs `ignore_errors = true`."""
    import duckdb

    with duckdb.connect() as con:
        return {"rows": _copy(con, file, target, options)}


def copies(folder: str, target: str) -> dict[str, Any]:
    """Copy every file of a folder to a Parquet file of its own, on one connection."""
    import duckdb

    Path(target).mkdir(parents=True, exist_ok=True)
    rows = 0
    with duckdb.connect() as con:
        for path in sorted(Path(folder).iterdir()):
            rows += _copy(con, str(path), f"{target}/{path.stem}.parquet", "")
    return {"rows": rows}


def rules(project: str, parquet: str) -> dict[str, Any]:
    """Look for rows that break the contract with the compiled rules: one scan of the lake's file."""
    import duckdb

    from etl.ledger import Ledger
    from etl.plan.definitions import definitions
    from etl.project import load_project

    loaded = load_project(project)
    catalog, _ = definitions(loaded, Ledger(loaded.ledger))
    contract = catalog.sources["lineitem"].contract
    kept = " and ".join(f"({rule.sql})" for rule in contract.rules)
    with duckdb.connect() as con:
        started = perf_counter(), process_time()
        query = f"select * from read_parquet('{parquet}', hive_partitioning = false) where not ({kept})"
        broken = con.execute(query).fetchall()
        return {**since(*started), "rules": len(contract.rules), "broken": len(broken)}


def pandera(project: str, parquet: str) -> dict[str, Any]:
    """Validate the same rows with the same model as a DataFrame; reading it is not in `seconds`."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    sys.path.insert(0, project)
    model = importlib.import_module("contracts.model").LineItem
    table = pq.read_table(parquet, columns=list(COLUMNS), partitioning=None)
    types = {pa.decimal128(15, 2): pd.ArrowDtype(pa.decimal128(15, 2)), pa.date32(): pd.ArrowDtype(pa.date32())}
    frame = table.to_pandas(types_mapper=types.get, self_destruct=True, split_blocks=True)
    del table
    started = perf_counter(), process_time()
    try:
        model.validate(frame, lazy=True)
        broken = 0
    except Exception as error:
        broken = len(error.failure_cases)  # type: ignore[attr-defined]
    return {**since(*started), "broken": broken}


def since(clock: float, cpu: float) -> dict[str, float]:
    """Return the seconds since then, of the clock and of all threads."""
    return {"seconds": perf_counter() - clock, "cpu_seconds": process_time() - cpu}


def dlt(file: str, folder: str, reader: str) -> dict[str, Any]:
    """Load a file with dlt to Parquet in a folder: `duckdb` is its fastest reader, `pandas` its default one."""
    import dlt as library
    from dlt.sources.filesystem import filesystem, read_csv, read_csv_duckdb

    path = Path(file)
    files = filesystem(bucket_url=path.parent.as_uri(), file_glob=path.name)
    names = list(COLUMNS)
    if reader == "duckdb":
        options = {"delimiter": "|", "header": False, "names": names, "dtype": COLUMNS, "quotechar": ""}
        rows = files | read_csv_duckdb(chunk_size=122_880, use_pyarrow=True, **options)
    else:
        rows = files | read_csv(sep="|", header=None, names=names, usecols=range(len(names)), chunksize=50_000)
    destination = library.destinations.filesystem(bucket_url=Path(folder).resolve().as_uri())
    pipeline = library.pipeline(
        "lineitem", pipelines_dir=f"{folder}/state", destination=destination, dataset_name="lake"
    )
    pipeline.run(rows, table_name="lineitem", loader_file_format="parquet", write_disposition="replace")
    return {"rows": pipeline.last_trace.last_normalize_info.row_counts.get("lineitem", 0)}


def _copy(con: Any, file: str, target: str, options: str) -> int:
    dialect = "delim = '|', quote = '', escape = '', header = false, auto_detect = false"
    source = f"read_csv('{file}', {dialect}, columns = {COLUMNS}{options and ', ' + options})"
    rows: int = con.execute(f"copy (from {source}) to '{target}' (format parquet)").fetchall()[0][0]
    return rows


if __name__ == "__main__":
    command = {"copy": copy, "copies": copies, "rules": rules, "pandera": pandera, "dlt": dlt}[sys.argv[1]]
    print(json.dumps(command(*sys.argv[2:])))
