"""What a night costs when much is stored: nothing new, one new day, one corrected, one withdrawn.

    python benchmarks/stored.py --partitions 1000,10000

Each number of partitions is a project of its own: days of 20 rows with a contract of 32 rules, loaded, and counted
by day in an incremental mart. Only what is new may cost.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from extract_data import SMALL_FIRST, deliver_small, write_project
from figures import PRODUCT, report
from processes import TOLD, measure, tell

LINE = "{n}|155190|7706|1|17.00|21168.23|0.04|0.02|N|O|1996-03-13|1996-02-12|1996-03-22|NONE|TRUCK|egular|"
MART = """-- materialized: incremental
-- partition: delivery_date
select delivery_date, count(*) as lines, sum(l_quantity) as quantity
from raw.small
group by delivery_date
"""


def main() -> None:
    """Measure each number of partitions, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", default="1000,10000", help="how many, with commas between")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="a folder for the projects; default: a temporary one")
    options = parser.parse_args()
    for number in map(int, options.partitions.split(",")):
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            stored(Path(folder), number, options.rounds)
    print(report(TOLD, [f"Whole nights, medians of {options.rounds} rounds; {os.cpu_count()} cores."]))


def stored(root: Path, number: int, rounds: int) -> None:
    """Measure nights of a project with so many partitions."""
    write_project(root)
    (root / "sql/marts").mkdir(parents=True)
    (root / "sql/marts/small_daily.sql").write_text(MART)
    raw = root / "data/raw/small"
    deliver_small((f"{LINE.format(n=n + 1)}\n".encode() for n in range(20 * number)), raw, number)
    night(root, f"{number:,} partitions: the first night")
    for done in range(rounds):
        newest = raw / f"{SMALL_FIRST + timedelta(number + done)}.tbl"
        older = raw / f"{SMALL_FIRST + timedelta(number // 2 + done)}.tbl"
        works: dict[str, Callable[[], object]] = {
            "nothing new": lambda: None,
            "one new day": lambda newest=newest: newest.write_text(f"{LINE.format(n=1)}\n"),
            "one corrected day": lambda older=older: older.write_text(f"{LINE.format(n=2)}\n"),
            "one withdrawn day": newest.unlink,
            "nothing new, after a withdrawal": lambda: None,
        }
        for what, work in works.items():
            work()
            night(root, f"{number:,} partitions stored: {what}")


def night(root: Path, workload: str) -> None:
    """Measure a night of the project."""
    luigi = str(Path(sys.executable).with_name("luigi"))
    measurement = measure(PRODUCT, [luigi, "--module", "etl", "Nightly"], {"ETL_PROJECT": str(root)})
    tell("stored", workload, PRODUCT, measurement)


if __name__ == "__main__":
    main()
