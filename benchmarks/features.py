"""Features of the flights of 2013, joined to labels as they were known: beside Feast, and against brute force.

    python benchmarks/features.py --rounds 3

The project is `examples/delays`: five features, and a row of the training set for each flight that landed. Its
SELECT runs for 20,000 labels and for all, each in a process of its own that reads what is published. Feast has the
same tables and the same 20,000 labels in its `duckdb` store, in an environment of its own. Every value of all
labels is compared with a sort of labels and features together, and Feast's with etl's. Then the leak check is
measured beside one build of the features.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from time import perf_counter
from typing import Any

from figures import report
from processes import DELIVER_FLIGHTS, REPOSITORY, TOLD, Measurement, measure, peer, python, tell

PACKAGES = ["feast[duckdb]"]
SET, SAMPLE = "ml.delay_training", "ml.delay_sample"
KEY = ["flight_date", "origin", "carrier", "flight"]
JOIN = """
import sys, duckdb
file, sql, out = sys.argv[1:]
with duckdb.connect(file, read_only=True) as con:
    con.execute("set threads = 2; set timezone = 'UTC'; set memory_limit = '400MB'")
    con.execute(f"copy ({open(sql).read()}) to '{out}'")
"""


def main() -> None:
    """Print what was measured, how many values are wrong, and what the leak check costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--until", type=date.fromisoformat, default=date(2013, 12, 31))
    parser.add_argument("--work", type=Path, help="keep everything in this folder")
    parser.add_argument("--no-peers", action="store_true", help="etl alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        features = prepared(work, options.until)
        feast = None if options.no_peers else peer(work / "feast", PACKAGES, "python")
        for number in range(options.rounds):
            when = f"round {number + 1}"
            for workload, name in (("20,000 labels", SAMPLE), ("327,346 labels", SET)):
                command = [
                    sys.executable,
                    "-c",
                    JOIN,
                    str(file_of(work)),
                    f"{work}/{name}.sql",
                    f"{work}/{name}.parquet",
                ]
                tell(when, workload, "etl", measure("etl", command))
            if feast:
                program = str(REPOSITORY / "benchmarks/features_feast.py")
                tell(when, "20,000 labels", "feast", measure("feast", [f"{feast}/bin/python", program, str(work)]))
        said = [*wrong(work, features), *leaks(work, features)]
        if feast:
            said += same_as_feast(work, features)
        print(report(TOLD, said))


def file_of(work: Path) -> Path:
    """Return the published file."""
    return (work / "project/data/warehouse.duckdb").resolve()


def prepared(work: Path, until: date) -> dict[str, dict[str, Any]]:
    """Publish the project; write the SELECTs of the sets and the tables of the features; return what these are."""
    root = work / "project"
    if not root.exists():
        shutil.copytree(REPOSITORY / "examples/delays", root, ignore=shutil.ignore_patterns("data"))
        text = (root / "sql/ml/delay_training.sql").read_text()
        some = f"and hash({', '.join(KEY)}) % 1000 < 61\n"
        (root / "sql/ml/delay_sample.sql").write_text(text.rstrip() + f"\n    {some}")
    python(DELIVER_FLIGHTS, str(root / "data/raw"), str(until))
    night = [sys.executable, "-m", "luigi", "--module", "etl", "Nightly", "--date", str(until)]
    subprocess.run(night, cwd=root, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    import duckdb

    found = {}
    with duckdb.connect(str(file_of(work)), read_only=True) as con:
        con.execute("set timezone = 'UTC'")
        for name, model in models_of(work).items():
            if name in (SET, SAMPLE):
                (work / f"{name}.sql").write_text(model.sql)
            if model.header.entity:
                con.execute(f"copy (from {name}) to '{work}/{name}.parquet'")
                header = model.header
                values = [c for c, _ in model.stored if c not in (*header.entity, header.event_time)]
                found[name] = {
                    "entity": header.entity,
                    "event_time": header.event_time,
                    "ttl": header.ttl,
                    "values": {c: t for c, t in model.stored if c in values},
                }
        asked = f"select {', '.join(KEY)}, dest, tailnum, sched_at - interval 2 hours as event_timestamp"
        con.execute(f"copy ({asked} from {SAMPLE}) to '{work}/labels.parquet'")
    (work / "features.json").write_text(json.dumps(found))
    return found


def models_of(work: Path) -> Any:
    """Return the models of the project by name."""
    from etl.ledger import Ledger
    from etl.plan.definitions import definitions
    from etl.project import load_project

    project = load_project(work / "project")
    return definitions(project, Ledger(project.ledger))[1].models


def wrong(work: Path, features: dict[str, dict[str, Any]]) -> list[str]:
    """Compare every value of all labels with the last of a sort of labels and features together."""
    import duckdb

    said, key = [], ", ".join(KEY)
    with duckdb.connect(str(file_of(work)), read_only=True) as con:
        con.execute("set threads = 2; set timezone = 'UTC'")
        for name, one in features.items():
            entity, time, ttl = ", ".join(one["entity"]), one["event_time"], one["ttl"]
            fresh = f"at_time - known.at_time <= interval '{ttl}'"
            differ = " or ".join(
                f"t.{value} is distinct from case when {fresh} then known.{value} end" for value in one["values"]
            )
            ids = ", ".join(f"{name} := {name}" for name in KEY)
            row = f"struct_pack(at_time := {time}, {', '.join(f'{value} := {value}' for value in one['values'])})"
            query = f"""
                with asked as (select *, sched_at - interval 2 hours as at_time from {SET}),
                together as (
                    select {entity}, {time} as at_time, 0 as kind, {row} as row, null as id from {name}
                    union all select {entity}, at_time, 1, null, struct_pack({ids}) from asked
                ),
                sorted as (
                    select *, last_value(row ignore nulls) over (
                        partition by {entity} order by at_time, kind
                        rows between unbounded preceding and current row
                    ) as known
                    from together
                )
                select count(*), count(*) filter (where {differ})
                from sorted join {SET} as t on id = struct_pack({", ".join(f"{k} := t.{k}" for k in KEY)})
                where kind = 1 and t.{one["entity"][0]} is not null"""
            rows, differing = con.execute(query).fetchall()[0]
            said.append(f"- {name}: {differing:,} of {rows:,} labels differ from brute force")
        ((rows, once),) = con.execute(f"select count(*), count(distinct ({key})) from {SET}").fetchall()
        said.append(f"- {rows:,} labels, {once:,} different ones")
    return said


def same_as_feast(work: Path, features: dict[str, dict[str, Any]]) -> list[str]:
    """Compare what Feast says of 20,000 labels with what etl does."""
    import duckdb

    on = " and ".join(f"cast(a.{k} as varchar) = cast(b.{k} as varchar)" for k in KEY if k != "flight_date")
    on += " and cast(a.flight_date as date) = cast(b.flight_date as date)"
    said = []
    with duckdb.connect() as con:
        for one in features.values():
            for value in one["values"]:
                near = f"abs(a.{value} - b.{value}) <= 1e-9 * greatest(1, abs(a.{value}))"
                differs = f"a.{value} is distinct from b.{value} and ({near}) is not true"
                query = (
                    f"select count(*), count(*) filter (where {differs}) "
                    f"from '{work}/{SAMPLE}.parquet' a join '{work}/feast.parquet' b on {on}"
                )
                rows, differing = con.execute(query).fetchall()[0]
                said.append(f"- {value}: {differing:,} of {rows:,} differ from Feast's")
    return said


def leaks(work: Path, features: dict[str, dict[str, Any]]) -> list[str]:
    """Measure the leak check beside one build of the features."""
    import duckdb

    from etl.ledger import Ledger
    from etl.operations.leaks import check_leaks
    from etl.project import load_project

    project, models = load_project(work / "project"), models_of(work)
    with duckdb.connect() as con:
        con.execute(f"set threads = 2; set timezone = 'UTC'; attach '{file_of(work)}' as w (read_only); use w")
        begun = spent()
        for number, name in enumerate(features):
            con.execute(f"create temp table f{number} as {models[name].sql}")
        build = since(begun)
    begun = spent()
    found = check_leaks(project, Ledger(project.ledger))
    check = since(begun)
    for name, one in (("one build", build), ("etl", check)):
        tell("once", "leak check", name, one)
    return [f"- leaks found: {sum(bool(one.differing) for one in found)} of {len(found)} features"]


def spent() -> tuple[float, float]:
    """Return the seconds by wall clock and the CPU seconds of this process so far."""
    usage = getrusage(RUSAGE_SELF)
    return perf_counter(), usage.ru_utime + usage.ru_stime


def since(begun: tuple[float, float]) -> Measurement:
    """Return what this process has spent since."""
    seconds, cpu = spent()
    return Measurement(seconds - begun[0], getrusage(RUSAGE_SELF).ru_maxrss / 2**10, cpu - begun[1])


if __name__ == "__main__":
    main()
