"""A warehouse of many rows on one machine: the first night, and what one new day costs when much is stored.

    python benchmarks/large.py --millions 6,60
    python benchmarks/large.py --millions 6 --load view,table
    python benchmarks/large.py --millions 6 --storage table,lake

Each size is a project of its own: a million rows a day, and marts by day. One new day after another comes, until
there are five generations. It tells CPU seconds, wall clock and the largest resident set of each night, of its
publish alone the seconds and the bytes of a generation that are its own, and the bytes of all generations beside
those of the marts. With `--storage` there is a mart of all lines, and all are tables, or files. 60 million rows
take 3 GB of raw files, and as much for the rest.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import duckdb
from figures import PRODUCT, report
from processes import TOLD, Measurement, measure, tell

ROWS, FIRST, GENERATIONS = 1_000_000, date(2024, 1, 1), 5
CONTRACTS = '''"""Lines of orders: a million a day."""

from datetime import date

import pandera.pandas as pa
from etl import Source

class Line(pa.DataFrameModel):
    """One row per line of an order."""

    order_id: int = pa.Field(ge=0)
    line: int = pa.Field(in_range={{"min_value": 1, "max_value": 7}})
    part_id: int = pa.Field(gt=0)
    quantity: int = pa.Field(in_range={{"min_value": 1, "max_value": 50}})
    price_cents: int = pa.Field(gt=0)
    flag: str = pa.Field(isin=["A", "N", "R"])
    ship_date: date = pa.Field()

lines = Source(contract=Line, files="lines/{{date}}.csv", load="{load}")
'''
MARTS = {
    "lines_daily": """-- materialized: incremental
-- partition: delivery_date
{storage}select delivery_date, flag, count(*) as lines, sum(quantity) as quantity, sum(price_cents) as price_cents
from raw.lines
group by all
""",
    "parts_daily": """-- materialized: incremental
-- partition: delivery_date
{storage}select delivery_date, part_id % 20000 as part_group, count(*) as lines, sum(price_cents) as price_cents
from raw.lines
group by all
""",
    "flags": "select flag, sum(lines)::bigint as lines from marts.lines_daily group by all",
}
#: A mart as large as what is delivered.
KEPT = """-- materialized: incremental
-- partition: delivery_date
{storage}select delivery_date, order_id, line, part_id, quantity, price_cents, flag, ship_date
from raw.lines
"""
DELIVERY = """copy (
    select i // 4 as order_id, 1 + i % 4 as line, 1 + hash(i, {n}) % 200000 as part_id,
        1 + hash(i) % 50 as quantity,
        1 + hash(i, 7) % 9000000 as price_cents, ['A', 'N', 'R'][(1 + hash(i, {n}, 1) % 3)::int] as flag,
        date '{day}' - (hash(i, 2) % 90)::int as ship_date
    from range({n}::bigint * {rows}, ({n}::bigint + 1) * {rows}) as t(i)
) to '{file}' (header)"""
PUBLISH = "select seconds, cpu_seconds from steps where step = 'publish' order by rowid desc limit 1"


def main() -> None:
    """Measure each size and way of loading, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", default="6,60", help="the sizes, with commas between (default 6,60)")
    parser.add_argument("--load", default="view", help="view, table, or both (default view)")
    parser.add_argument(
        "--storage", default="", help="table, lake, or both, with a mart of all lines (default: without)"
    )
    parser.add_argument("--memory", default="4GB", help="the memory_limit of the project (default 4GB)")
    parser.add_argument("--work", type=Path, help="a folder for the projects; default: a temporary one")
    options = parser.parse_args()
    said = []
    for millions in map(int, options.millions.split(",")):
        for load, storage in itertools.product(options.load.split(","), options.storage.split(",")):
            with tempfile.TemporaryDirectory(dir=options.work) as folder:
                said += nights(Path(folder), millions, load, storage, options.memory)
    print(report(TOLD, [*said, f"memory_limit = {options.memory}; {os.cpu_count()} cores."]))


def nights(root: Path, millions: int, load: str, storage: str, memory: str) -> list[str]:
    """Measure the nights of one project; return what is to be said of its disk."""
    write(root, load, storage, memory)
    for number in range(millions):
        deliver(root, number)
    what = f"{millions} M rows, load={load}{f', storage: {storage}' if storage else ''}"
    night(root, f"{what}: the first night")
    for number in range(millions, millions + GENERATIONS - 1):
        deliver(root, number)
        night(root, f"{what}: one new day")
        seconds, cpu_seconds = published(root)
        tell("publish", f"{what}: publish of one new day", PRODUCT, Measurement(seconds, 0.0, cpu_seconds))
    return [told(root, what)]


def write(root: Path, load: str, storage: str, memory: str) -> None:
    """Write the project."""
    texts = {
        "luigi.cfg": f"[etl]\nmemory_limit = {memory}\nkeep_generations = {GENERATIONS}\n",
        "contracts/lines.py": CONTRACTS.format(load=load),
    }
    marts = {**MARTS, "lines": KEPT} if storage else MARTS
    line = "-- storage: lake\n" if storage == "lake" else ""
    texts |= {f"sql/marts/{name}.sql": text.format(storage=line) for name, text in marts.items()}
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def deliver(root: Path, number: int) -> None:
    """Deliver one more day."""
    day = FIRST + timedelta(number)
    file = root / f"data/raw/lines/{day}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        con.execute(DELIVERY.format(n=number, rows=ROWS, day=day, file=file))


def night(root: Path, workload: str) -> None:
    """Measure a night of the project."""
    luigi = str(Path(sys.executable).with_name("luigi"))
    command = [luigi, "--module", "etl", "Nightly", "--date", "2024-12-31"]
    tell("large", workload, PRODUCT, measure(PRODUCT, command, {"ETL_PROJECT": str(root)}))


def published(root: Path) -> tuple[float, float]:
    """Return the seconds and the CPU seconds of the newest publish."""
    with closing(sqlite3.connect(root / "data/ledger.sqlite")) as con:
        seconds, cpu_seconds = con.execute(PUBLISH).fetchone()
    return float(seconds), float(cpu_seconds or 0)


def told(root: Path, what: str) -> str:
    """Return how much of the disk is what: links count once."""
    folders = sorted(path for path in (root / "data/warehouse/generations").iterdir() if path.is_dir())
    sizes = [sum(own(folder).values()) for folder in folders]
    lake, parts = own(root / "data/lake"), own(root / "data/warehouse/parts")
    beside: dict[int, int] = {}
    for folder in folders:
        beside |= own(folder)
    extra = sum(size for inode, size in beside.items() if inode not in lake)
    return (
        f"{what}: the lake has {sum(lake.values()) / 1e6:,.1f} MB; {len(folders)} generations take "
        f"{extra / 1e6:,.1f} MB beside it, the newest alone {sizes[-1] / 1e6:,.1f} MB; build.duckdb has "
        f"{(root / 'data/warehouse/build.duckdb').stat().st_size / 1e6:,.1f} MB"
        f"{f', and the files of marts {sum(parts.values()) / 1e6:,.1f} MB' if parts else ''}."
    )


def own(folder: Path) -> dict[int, int]:
    """Return the bytes of the files below a folder, by inode."""
    found = (path.stat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {status.st_ino: status.st_size for status in found}


if __name__ == "__main__":
    main()
