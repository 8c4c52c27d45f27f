"""The hash by which content is compared, beside DuckDB's plain hash() of the same rows, which is weaker.

    python benchmarks/content.py --warehouse data/warehouse.duckdb --rows 10000000 --rounds 5

CPU seconds, the least of some rounds: of all tables of a published warehouse (by default none), and of tables of
so many rows. The plain hash is summed as a number of 64 bits; floats are rounded to 9 digits for it, so that the
order of a sum does not matter.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path

import duckdb

from etl.engine.exact import counted
from etl.engine.quoting import identifier
from etl.stages.warehouse import row_hashes

FACTS = """
create table t as select i as id, (hash(i) % 1000000)::integer as customer, (hash(i + 1) % 1000)::smallint as shop,
    date '2020-01-01' + (hash(i + 2) % 1000)::integer as day,
    timestamp '2020-01-01' + to_seconds((hash(i + 3) % 100000000)::bigint) as at,
    ['AA', 'DL', 'UA', 'WN'][1 + (hash(i + 4) % 4)::integer] as code,
    (hash(i + 6) % 10000000 / 100.0)::decimal(15, 2) as amount, (hash(i + 7) % 10000000) / 7.0 as weight
from range({rows}) as r(i)
"""
TEXTS = "create table t as select i as id, 'name of ' || hash(i + 5) as name from range({rows}) as r(i)"


def main() -> None:
    """Print the CPU seconds of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warehouse", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print("| rows | plain hash(), s | content, s | ratio |\n| --- | --- | --- | --- |")
    if options.warehouse:
        query = "select schema_name || '.' || table_name from duckdb_tables() where schema_name <> 'etl'"
        with duckdb.connect(str(options.warehouse), read_only=True) as con:
            tables = [name for (name,) in con.execute(query).fetchall()]
            show(
                str(options.warehouse),
                *map(sum, zip(*(seconds(con, t, options.rounds) for t in tables), strict=True)),
            )
    for what, make in (("numbers, dates and codes", FACTS), ("a number and a long text of its own", TEXTS)):
        with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/t.duckdb") as con:
            con.execute(make.format(rows=options.rows))
            con.execute("checkpoint")
            show(f"{options.rows:,} of {what}", *seconds(con, "t", options.rounds))


def show(what: str, plain: float, content: float) -> None:
    """Print a line of the table."""
    print(f"| {what} | {plain:.3f} | {content:.3f} | {content / plain:.2f} |", flush=True)


def seconds(con: duckdb.DuckDBPyConnection, table: str, rounds: int) -> tuple[float, float]:
    """Return the CPU seconds of the plain hash and of the content of a table."""
    columns = tuple((str(row[0]), str(row[1])) for row in con.execute(f"describe {table}").fetchall())
    queries = (f"sum(hash({', '.join(map(plain, counted(table, columns)))}))", row_hashes(con, table, columns))
    least = [min(cpu(con, f"select count(*), {query} from {table}") for _ in range(rounds)) for query in queries]
    return least[0], least[1]


def plain(column: tuple[str, str]) -> str:
    """Return a column as the plain hash has it."""
    name, type = identifier(column[0]), column[1]
    if type not in ("DOUBLE", "FLOAT"):
        return name
    digits = f"cast(8 - floor(log10(abs({name}::double))) as integer)"
    return f"case when {name} = 0 or not isfinite({name}) then {name} else round({name}::double, {digits}) end"


def cpu(con: duckdb.DuckDBPyConnection, query: str) -> float:
    """Return the CPU seconds of this process for a query."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    con.execute(query).fetchall()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
