"""Publishing and rolling back, beside a plain copy of the same file: what a generation costs, as ratios.

    python benchmarks/publish.py --gigabytes 1 --rounds 5

A project of one small source and one large table is published again and again, each time with a new delivery. The
copy is that of the standard library, flushed to the disk, of the very file that was just published.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

REPOSITORY = Path(__file__).parents[1]
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
    """Print the seconds of each round, and the ratios of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="a folder on the disk to measure; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        root = Path(folder) / "project"
        make(root, int(options.gigabytes * 1e9 / ROW_BYTES))
        night(root, 1)
        rounds = [measure(root, number) for number in range(2, options.rounds + 2)]
    names = ("publish", "its copy", "plain copy, flushed", "plain copy", "etl rollback")
    medians = {name: median(times) for name, times in zip(names, zip(*rounds, strict=True), strict=True)}
    for name, seconds in medians.items():
        print(f"{name:24}{seconds:8.2f} s")
    flushed = medians["plain copy, flushed"]
    print(f"publish / plain copy, flushed  {medians['publish'] / flushed:.2f}  (goal: 1.2)")
    print(f"publish / plain copy           {medians['publish'] / medians['plain copy']:.2f}")


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


def measure(root: Path, number: int) -> tuple[float, ...]:
    """Return seconds of a publish, of the copy within it, of plain copies, and of a rollback."""
    said = night(root, number)
    line = next(line for line in said.splitlines() if "published generation" in line)
    published, copied = float(line.split()[-2]), float(line.rsplit(")", 1)[0].split()[-2])
    print(line)
    build, target = root / "data/warehouse/build.duckdb", root / "data/copy.duckdb"
    flushed = timed(lambda: (shutil.copyfile(build, target), sync(target)))
    target.unlink()
    plain = timed(lambda: shutil.copyfile(build, target))
    target.unlink()
    rolled = timed(lambda: run(root, "etl", "rollback"))
    newest = run(root, "etl", "generations").splitlines()[1].split()[0]
    run(root, "etl", "rollback", newest)
    return published, copied, flushed, plain, rolled


def sync(path: Path) -> None:
    """Have a file on the disk itself."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a piece of work takes, begun with nothing left to write."""
    os.sync()
    started = perf_counter()
    work()
    return perf_counter() - started


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
