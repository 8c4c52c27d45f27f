"""A table of PostgreSQL to a published warehouse, beside dlt's sql_database to DuckDB, and what landing it takes.

    python benchmarks/databases.py [--rows 1000000] [--rounds 3] [--dlt] [--work DIR]

Whole processes, one after another in rounds. The table has nine columns; the same rows with 1,000 new ones are
fetched by their cursor afterwards. It needs PostgreSQL, which it starts, and for dlt an environment of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from processes import Measurement, environment, measure, tell

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))
ROWS = """
select i as id, 'customer-' || (i % 50000) as customer, ((i % 100000) / 100.0)::numeric(12,2) as price,
    (i % 7)::int as quantity, i % 3 = 0 as paid, date '2020-01-01' + (i % 2000)::int as day,
    timestamptz '2024-01-01' + i * interval '1 second' as updated_at,
    case when i % 10 > 0 then 'note ' || i end as note, (i * 1.1)::float8 as weight from generate_series({}, {}) i
"""
CONTRACT = """
from datetime import date
from typing import Annotated

import pandas as pd
import pandera.pandas as pa
import pyarrow
from etl import Source, Table


class Order(pa.DataFrameModel):
    id: int
    customer: str
    price: Annotated[pd.ArrowDtype, pyarrow.decimal128(12, 2)]
    quantity: int
    paid: bool
    day: date
    updated_at: Annotated[pd.DatetimeTZDtype, "us", "UTC"]
    note: str = pa.Field(nullable=True)
    weight: float


orders = Source(contract=Order, fetch=Table("SHOP_DSN", "orders"CURSOR))
"""
DLT = """
import sys, dlt
from dlt.sources.sql_database import sql_table
dsn, folder, backend = sys.argv[1:]
pipeline = dlt.pipeline("shop", pipelines_dir=folder + "/state", dataset_name="sent",
                        destination=dlt.destinations.duckdb(folder + "/shop.duckdb"))
pipeline.run(sql_table(dsn, table="orders", backend=backend, write_disposition="replace"))
"""


def main() -> None:
    """Print medians of what each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dlt", action="store_true")
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        dsn = _filled(Path(folder), options.rows)
        found: dict[str, list[Measurement]] = {}
        for number in range(options.rounds):
            for name, command, variables in _contestants(Path(folder) / str(number), work, dsn, options.dlt):
                measured = measure(name, command, variables)
                tell(f"round {number + 1}", "database", name, measured)
                found.setdefault(name, []).append(measured)
    print(f"| {options.rows:,} rows | seconds | CPU seconds | MB |\n| --- | --- | --- | --- |")
    for name, all in found.items():
        figures = [median(m.seconds for m in all), median(m.cpu_seconds for m in all), max(m.peak_mb for m in all)]
        print(f"| {name} | {figures[0]:.2f} | {figures[1]:.2f} | {figures[2]:.0f} |")


def _filled(folder: Path, rows: int) -> str:
    """Start PostgreSQL, fill the table, and return its address."""
    import psycopg

    from tests.support.servers import Server, postgresql_server

    port = postgresql_server(folder)
    if port is None:
        sys.exit("PostgreSQL is not installed: apt-get install postgresql")
    dsn = Server("postgresql", port, "postgres").dsn
    with psycopg.connect(dsn, autocommit=True) as con:
        con.execute(f"create table orders as {ROWS.format(1, rows)}".encode())
        con.execute(b"alter table orders add primary key (id)")
        con.execute(b"create index on orders (updated_at)")
        con.execute(b"vacuum analyze orders")
    return dsn


def _contestants(
    folder: Path, work: Path, dsn: str, with_dlt: bool
) -> list[tuple[str, list[str], dict[str, str] | None]]:
    """Return what is measured in one round: name, command, variables."""
    etl, variables = [sys.executable, "-m", "etl"], {"SHOP_DSN": dsn}
    full, cursor = _project(folder / "full", ""), _project(folder / "cursor", ', cursor="updated_at"')
    add = "import psycopg, sys; psycopg.connect(sys.argv[1], autocommit=True).execute(sys.argv[2])"
    last = "(select max(id) from orders)"
    new = f"insert into orders {ROWS.format(f'{last} + 1', f'{last} + 1000')}"
    here = {**variables, "ETL_PROJECT": str(full)}
    there = {**variables, "ETL_PROJECT": str(cursor)}
    psql = ["psql", "-q", dsn, "-c", "\\copy orders to /dev/null"]
    found = [
        ("psql, \\copy to nowhere", psql, None),
        ("etl fetch, all", [*etl, "fetch"], here),
        ("etl fetch, all again: no change", [*etl, "fetch"], here),
        ("etl run, to the published warehouse", [*etl, "run"], here),
        ("etl fetch by cursor, all", [*etl, "fetch"], there),
        ("(1,000 rows are added)", [sys.executable, "-c", add, dsn, new], None),
        ("etl fetch by cursor, 1,000 new", [*etl, "fetch"], there),
        ("etl fetch by cursor, nothing new", [*etl, "fetch"], there),
    ]
    if with_dlt:
        packages = ["dlt[duckdb,sql_database]", "sqlalchemy", "psycopg2-binary", "pyarrow"]
        python = str(environment(work / "dlt-environment", packages) / "bin/python")
        address = dsn.replace("postgresql:", "postgresql+psycopg2:")
        for backend in ("sqlalchemy", "pyarrow"):
            place = folder / backend
            place.mkdir()
            found.append((f"dlt, {backend}", [python, "-c", DLT, address, str(place), backend], None))
    return found


def _project(root: Path, cursor: str) -> Path:
    (root / "contracts").mkdir(parents=True)
    (root / "sql").mkdir()
    (root / "luigi.cfg").write_text("[etl]\n")
    (root / "contracts/shop.py").write_text(CONTRACT.replace("CURSOR", cursor))
    return root


if __name__ == "__main__":
    main()
