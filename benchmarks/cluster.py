"""The same night on this machine alone and by workers of an executor: content by hash, and what it takes.

    python benchmarks/cluster.py --executor spark://local-cluster --lineitem lineitem-1.tbl

Two projects: the flights of 2013, and lineitem of TPC-H by month of its shipping, with models by date. Each is
taken from nothing to a published warehouse both ways; rows and hashes of all tables must be equal (floats to 9
digits, as soak.py reads them). Without `--lineitem`, the flights alone. Exit code 0 if nothing differs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path

import extract_data
from flights import LAST_DAY, _project
from processes import DELIVER_FLIGHTS, REPOSITORY, Measurement, measure, python, tell
from soak import CONTENT, output

#: Where `make clusters` puts the libraries of Dask and Spark.
CLUSTERS = REPOSITORY / ".venv" / "cluster"
ALONE = "alone"

BY_DATE = "-- materialized: incremental\n-- partition: delivery_date\n"
LINEITEM = {
    "staging/lines.sql": """-- materialized: view
select *, l_extendedprice * (1 - l_discount) as price from raw.lineitem""",
    "marts/pricing.sql": f"""{BY_DATE}select delivery_date, l_returnflag, l_linestatus,
    sum(l_quantity) as quantity, sum(price) as price, sum(price * (1 + l_tax)) as charge,
    avg(l_discount) as discount, count(*) as lines
from staging.lines group by all""",
    "marts/late.sql": f"""{BY_DATE}select delivery_date, l_orderkey, l_linenumber, l_shipmode, price,
    l_receiptdate - l_commitdate as days_late
from staging.lines where l_receiptdate > l_commitdate""",
    "marts/parts.sql": f"""{BY_DATE}select delivery_date, l_partkey, count(*) as lines, sum(price) as price,
    median(l_quantity) as median_quantity
from staging.lines group by all""",
    "marts/dearest.sql": f"""{BY_DATE}select delivery_date, l_orderkey, l_linenumber, price from staging.lines
qualify row_number() over (
    partition by delivery_date, l_shipmode order by price desc, l_orderkey, l_linenumber
) <= 100""",
}


def main() -> None:
    """Take each project both ways, and exit 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", default="spark://local-cluster")
    parser.add_argument("--lineitem", type=Path, help="lineitem.tbl; default: without it")
    parser.add_argument("--until", type=date.fromisoformat, default=LAST_DAY)
    parser.add_argument("--work", type=Path, help="a folder for the projects; default: a temporary one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        projects = {"flights": flights(Path(folder) / "flights", options.until)}
        if options.lineitem:
            projects["lineitem"] = lineitem(Path(folder) / "lineitem", options.lineitem)
        differing = sum(compared(name, project, options.executor) for name, project in projects.items())
    sys.exit(1 if differing else 0)


def flights(project: Path, until: date) -> Path:
    """Make the project of the flights with its deliveries."""
    python(DELIVER_FLIGHTS, str(_project(project)), str(until))
    return project


def lineitem(project: Path, clean: Path) -> Path:
    """Make the project of lineitem, a file for each month."""
    extract_data.write_project(project)
    trailing = ", trailing_delimiter=True" if extract_data.TRAILING else ""
    source = extract_data.SOURCES.format(trailing=trailing)
    kept = re.sub(r"\nsmall = .*", "\n", source, flags=re.DOTALL)
    (project / "contracts" / "lineitem.py").write_text(kept, encoding="utf-8")
    for name, text in LINEITEM.items():
        target = project / "sql" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    folder = project / "data" / "raw" / "lineitem"
    folder.mkdir(parents=True)
    files = {}
    with clean.open("rb") as lines:
        for line in lines:
            month = line.split(b"|")[10][:7]
            if month not in files:
                files[month] = (folder / f"{month.decode()}-01.tbl").open("wb")
            files[month].write(line)
    for file in files.values():
        file.close()
    return project


def compared(name: str, project: Path, executor: str) -> int:
    """Take a project from nothing both ways, say what it took, and return how many tables differ."""
    content = {}
    for way in (ALONE, executor):
        for made in ("warehouse", "lake", "quarantine", ".scratch"):
            shutil.rmtree(project / "data" / made, ignore_errors=True)
        for made in ("warehouse.duckdb", "ledger.sqlite"):
            (project / "data" / made).unlink(missing_ok=True)
        tell("", name, way, night(project, "" if way == ALONE else executor))
        content[way] = json.loads(output(CONTENT, str((project / "data/warehouse.duckdb").resolve())))
    first, second = content.values()
    differing = sorted(table for table in {*first, *second} if first.get(table) != second.get(table))
    rows = sum(held[0] for held in first.values())
    print(f"{name}: {len(first)} tables with {rows:,} rows, {len(differing)} differ {differing or ''}", flush=True)
    return len(differing)


def night(project: Path, executor: str) -> Measurement:
    """Run a night with or without an executor."""
    luigi = str(Path(sys.executable).with_name("luigi"))
    kept = re.sub(r"executor = .*\n", "", (project / "luigi.cfg").read_text())
    (project / "luigi.cfg").write_text(kept + (f"executor = {executor}\n" if executor else ""))
    path = os.pathsep.join([str(REPOSITORY), *([str(CLUSTERS)] if executor else [])])
    variables = {"ETL_PROJECT": str(project), "PYTHONPATH": path}
    done = measure(executor or ALONE, [luigi, "--module", "etl", "Nightly", "--date", "2026-01-01"], variables)
    for line in done.output.splitlines():
        if "partitions on " in line or " built " in line:
            print(f"  {line}", flush=True)
    return done


if __name__ == "__main__":
    main()
