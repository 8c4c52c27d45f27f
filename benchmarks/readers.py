"""Many analysts while much is published: whether anybody sees half of anything, or has to wait.

    python benchmarks/readers.py --readers 50 --publishes 100

Each reader is a process that opens the warehouse, counts and closes it, and then pauses; first while nothing
happens, then while a project is published again and again, each time with one more record. Printed are errors and
torn counts (both must be 0), the 99th percentile of a reader's open and count as a ratio of the idle one, and the
seconds of a publish with and without readers.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

REPOSITORY = Path(__file__).resolve().parent.parent
CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Sales(pa.DataFrameModel):
    id: int

sales = Source(contract=Sales, files="sales/{date}.csv")
"""
SQL = "select id, count(*) as sales from raw.sales group by id"
READER = """
import duckdb, json, os, pathlib, random, sys, time
warehouse, stop, pause = sys.argv[1], pathlib.Path(sys.argv[2]), float(sys.argv[3])
times, problems, torn, parent = [], [], 0, os.getppid()
time.sleep(random.random() * pause)
while not stop.exists() and os.getppid() == parent:
    started = time.perf_counter()
    try:
        with duckdb.connect(warehouse, read_only=True, config={"threads": 1}) as con:
            raw, mart, said = con.execute(
                "select (select count(*) from raw.sales), (select sum(sales) from marts.sales)::int, "
                "(select sum(rows) from etl.partitions)::int"
            ).fetchone()
        torn += not raw == mart == said
    except Exception as error:
        problems.append(str(error))
    times.append(time.perf_counter() - started)
    time.sleep(pause)
print(json.dumps([times, problems, torn]))
"""


def main() -> None:
    """Print what the readers saw, idle and busy; exit 1 if anybody saw an error or a half."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--publishes", type=int, default=100)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two looks of a reader")
    options = parser.parse_args()
    sys.path.insert(0, str(REPOSITORY))
    with tempfile.TemporaryDirectory() as folder:
        project = make(Path(folder), options.rows)
        alone = [publish(project, number) for number in range(10)]
        idle = watch(project, options, lambda: time.sleep(30))
        seconds: list[float] = []
        busy = watch(
            project,
            options,
            lambda: seconds.extend(publish(project, n) for n in range(10, 10 + options.publishes)),
        )
    report(idle, busy, alone, seconds)
    sys.exit(1 if busy[1] or busy[2] else 0)


def make(root: Path, rows: int) -> object:
    """Write a project of one source and one model, and publish it."""
    from etl.project import load_project

    texts = {
        "luigi.cfg": "[etl]\nkeep_generations = 3\n",
        "contracts/sales.py": CONTRACTS,
        "sql/marts/sales.sql": SQL,
    }
    texts["data/raw/sales/2024-01-01.csv"] = "id\n" + "".join(f"{n % 1000}\n" for n in range(rows))
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return load_project(root)


def publish(project: object, number: int) -> float:
    """Deliver a record more, do the night's steps in this process, and return the seconds of the publish."""
    from etl.ledger import Ledger, Run, now
    from etl.plan import Scope, make_plan
    from etl.run import steps
    from etl.run.active import ActiveRun, new_run_id

    path = project.raw / "sales" / "2024-01-02.csv"
    path.with_suffix(".part").write_text("id\n" + "7\n" * (number + 1))
    path.with_suffix(".part").replace(path)
    ledger = Ledger(project.ledger)
    plan = make_plan(project, ledger, Scope(date(2024, 2, 1)), new_run_id())
    row = Run(plan.run_id, "2024-02-01", now())
    run = ActiveRun(project=project, ledger=ledger, plan=plan, row=row, lock=-1, pid=os.getpid())
    if days := [delivery.date for delivery in plan.stale_partitions("sales")]:
        steps.extract(run, "sales", days)
    steps.load(run, ["sales"])
    steps.transform(run, ["marts.sales"])
    steps.audit(run)
    started = perf_counter()
    steps.publish(run)
    return perf_counter() - started


def watch(project: object, options: argparse.Namespace, work: object) -> tuple[list[float], list[str], int]:
    """Have readers look while some work is done; return their times, their errors, and how many saw a half."""
    stop = project.root / "stop"
    stop.unlink(missing_ok=True)
    command = [sys.executable, "-c", READER, str(project.warehouse), str(stop), str(options.pause)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(options.readers)]
    # until all have imported what they need
    time.sleep(options.readers * 0.25)
    work()
    stop.touch()
    said = [json.loads(reader.communicate()[0]) for reader in readers]
    # the first look of each was while others still began
    times = [seconds for looks, _, _ in said for seconds in looks[2:]]
    return times, [problem for _, problems, _ in said for problem in problems], sum(torn for *_, torn in said)


def report(
    idle: tuple[list[float], list[str], int],
    busy: tuple[list[float], list[str], int],
    alone: list[float],
    seconds: list[float],
) -> None:
    """Print the figures."""
    tails = [quantiles(times, n=100)[98] for times in (idle[0], busy[0])]
    print(f"{len(busy[0]):,} looks during {len(seconds)} publishes: {len(busy[1])} errors, {busy[2]} torn counts")
    for problem in busy[1][:5]:
        print(f"  {problem}")
    print(f"open and count, median: idle {median(idle[0]) * 1000:.0f} ms, busy {median(busy[0]) * 1000:.0f} ms")
    ratio = tails[1] / tails[0]
    print(
        f"open and count, p99: idle {tails[0] * 1000:.0f} ms, busy {tails[1] * 1000:.0f} ms: {ratio:.2f} (goal: 2)"
    )
    with_readers, without = median(seconds), median(alone)
    print(f"publish, median: {without:.2f} s without readers, {with_readers:.2f} s with them")


if __name__ == "__main__":
    main()
