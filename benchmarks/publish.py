"""Publishing and rolling back, beside a plain copy of the same file: what a generation costs, as ratios.

    python benchmarks/publish.py --gigabytes 0.5,2 --rounds 5

A project of one small source and one large table is published again and again, each time with a new delivery. The
copy is that of the standard library, flushed to the disk, of the very file that was just published.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import perf_counter

from figures import PRODUCT, report
from processes import REPOSITORY, TOLD, Measurement, tell

CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    id: int

sales = Source(contract=Sales, files="sales/{date}.csv")
"""
LARGE = "select i, hash(i) as a, hash(i + 1) as b, hash(i + 2) as c from range({rows}) as t(i)"
#: What a row of the large table takes on the disk, in bytes: hashes do not compress.
ROW_BYTES = 28


def main() -> None:
    """Measure each size in rounds, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", default="0.5,2", help="the sizes, with commas between (default 0.5,2)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="a folder on the disk to measure; default: a temporary one")
    options = parser.parse_args()
    for gigabytes in map(float, options.gigabytes.split(",")):
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            root = Path(folder) / "project"
            make(root, int(gigabytes * 1e9 / ROW_BYTES))
            night(root, 1)
            for number in range(2, options.rounds + 2):
                for name, measurement in measured(root, number).items():
                    tell(f"round {number - 1}", f"publish of {gigabytes:g} GB", name, measurement)
    print(report(TOLD, [f"Medians of {options.rounds} rounds; CPU of etl is what its history says of the step."]))


def make(root: Path, rows: int) -> None:
    """Write a project whose warehouse is large, and whose nights are small."""
    texts = {
        "luigi.cfg": "[etl]\nkeep_generations = 3\n",
        "contracts/sales.py": CONTRACTS,
        "sql/marts/large.sql": LARGE.format(rows=rows),
        "sql/marts/sales.sql": "select count(*) as sales from raw.sales",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def night(root: Path, number: int) -> str:
    """Deliver one more day, and run the night; return what it says."""
    path = root / f"data/raw/sales/2024-01-{number:02}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"id\n{number}\n")
    return run(root, "luigi", "--module", "etl", "Nightly", "--date", "2024-02-01")


def measured(root: Path, number: int) -> dict[str, Measurement]:
    """Return what a publish takes, plain copies of what it published, and a rollback."""
    line = next(line for line in night(root, number).splitlines() if "published generation" in line)
    print(line, file=sys.stderr)
    build, target = root / "data/warehouse/build.duckdb", root / "data/copy.duckdb"
    found = {PRODUCT: published(root)}
    found["flushed copy"] = timed(lambda: (shutil.copyfile(build, target), sync(target)))
    target.unlink()
    found["copy, not flushed"] = timed(lambda: shutil.copyfile(build, target))
    target.unlink()
    found["etl rollback"] = timed(lambda: run(root, "etl", "rollback"))
    newest = run(root, "etl", "generations").splitlines()[1].split()[0]
    run(root, "etl", "rollback", newest)
    return found


def published(root: Path) -> Measurement:
    """Return what the newest publish took, as the history says."""
    with closing(sqlite3.connect(root / "data/ledger.sqlite")) as con:
        query = "select seconds, cpu_seconds from steps where step = 'publish' order by started_at desc limit 1"
        [(seconds, cpu)] = con.execute(query).fetchall()
    return Measurement(seconds, 0, cpu)


def sync(path: Path) -> None:
    """Have a file on the disk itself."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def timed(work: Callable[[], object]) -> Measurement:
    """Return what a piece of work takes, its children too, begun with nothing left to write."""
    os.sync()
    before, started = os.times(), perf_counter()
    work()
    seconds, after = perf_counter() - started, os.times()
    return Measurement(seconds, 0, sum(after[:4]) - sum(before[:4]))


def run(root: Path, module: str, *arguments: str) -> str:
    """Run a command of the package in the project's folder; return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


if __name__ == "__main__":
    main()
