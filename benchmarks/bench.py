"""All benchmarks, one after another, into one page: RESULTS.md.

    make bench                         all, with dbt, SQLMesh and others where they can be installed: hours
    make bench BENCH="--quick"         less data, one round, no other tools: a quarter of an hour
    make bench BENCH="--only flights"  some of them; the page keeps what was measured of the others

The table has the medians of whole processes: CPU seconds of all their threads, wall clock, the largest resident
set, and how much etl takes of each. On a machine that does other things, compare CPU seconds. What else the
benchmarks say stands below it. One that fails is named, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from processes import REPOSITORY, VERSIONS, python

RESULTS = Path(__file__).with_name("RESULTS.md")
#: What was measured, from which the page is written.
RECORD = Path(__file__).with_name("results.json")
LIBRARIES = ("luigi", "duckdb", "pandas", "pandera", "pyarrow")
#: Each benchmark as it is run, and as it is run when it must be quick.
BENCHMARKS = {
    "flights": ("--rounds 3", "--rounds 1 --until 2013-03-31 --no-peers"),
    "extract": ("--rounds 3", "--rounds 1 --parts clean,dirty,rules,small --small 1000"),
    "models": ("--rounds 1", "--rounds 1 --parts graph --no-peers"),
    "publish": ("--gigabytes 1 --rounds 3", "--gigabytes 0.2 --rounds 1"),
    "environments": ("", ""),
    "readers": ("", "--publishes 10"),
    "xml_records": ("", ""),
}

Row = Mapping[str, str | float]


def main() -> None:
    """Run the benchmarks and write the page; exit 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less data, one round, no other tools")
    parser.add_argument("--only", default=",".join(BENCHMARKS), help="the benchmarks to run, with commas between")
    parser.add_argument("--work", type=Path, help="keep data and environments of other tools in this folder")
    options = parser.parse_args()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    for name in options.only.split(","):
        arguments = BENCHMARKS[name][options.quick].split()
        command = " ".join(["python", f"benchmarks/{name}.py", *arguments])
        if options.work and name in ("flights", "extract", "models"):
            arguments += ["--work", str(options.work / name)]
        record[name] = {"command": command, **run(name, arguments)}
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        RESULTS.write_text("\n".join(page(record)) + "\n")
    sys.exit(any(record[name]["failed"] for name in options.only.split(",")))


def run(name: str, arguments: Iterable[str]) -> dict[str, object]:
    """Run one benchmark; return what it measured and said, and under what load."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.jsonl")
        environment = {
            **{key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
            **{"ETL_BENCH": str(file), "PYTHONPATH": str(REPOSITORY)},
        }
        before = os.getloadavg()[0]
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name(f"{name}.py")), *arguments],
            env=environment, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {
        "failed": done.returncode != 0,
        "said": done.stdout.strip(),
        "rows": medians(rows),
        "when": f"{datetime.now(UTC):%Y-%m-%d}",
        "load": round(max(before, os.getloadavg()[0]), 1),
        "versions": f"Python {platform.python_version()}, {python(VERSIONS, *LIBRARIES)}",
        "cores": os.cpu_count(),
    }


def medians(rows: Iterable[Row]) -> list[dict[str, object]]:
    """Return one row for each workload and contestant."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((str(row["workload"]), str(row["name"])), []).append(row)
    kinds = ("cpu_seconds", "seconds", "peak_mb")
    return [
        {"workload": workload, "name": name, **{k: round(median(float(row[k]) for row in of), 3) for k in kinds}}
        for (workload, name), of in found.items()
    ]


def page(record: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    """Yield the lines of RESULTS.md."""
    yield from ("# Results", "", "Written by `make bench`; [README.md](README.md) says what is measured.", "")
    yield "| workload | contestant | CPU s | wall s | peak MB | etl takes of it: CPU | wall | memory |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for measured in record.values():
        rows: list[dict[str, object]] = list(measured["rows"])  # type: ignore[call-overload]
        for row in rows:
            ours = next(one for one in rows if one["workload"] == row["workload"])
            yield f"| {row['workload']} | {row['name']} | {' | '.join(cells(row, ours))} |"
    for name, measured in record.items():
        how = f"{measured['when']}, {measured['cores']} cores, load {measured['load']}. {measured['versions']}."
        yield from ("", f"## {name}", "", f"`{measured['command']}`: {how}", "")
        if measured["failed"]:
            yield from ("It failed.", "")
        said = str(measured["said"])
        yield from [said] if said.startswith(("|", "**")) else ["```", said, "```"]


def cells(row: Mapping[str, object], ours: Mapping[str, object]) -> list[str]:
    """Return what a contestant took, and how much of that etl does, which is the first of its workload."""
    taken = [f"{row['cpu_seconds']:.2f}", f"{row['seconds']:.2f}", f"{row['peak_mb']:.0f}"]
    if row is ours:
        return [*taken, "", "", ""]
    kinds = ("cpu_seconds", "seconds", "peak_mb")
    return [*taken, *(f"{float(str(ours[kind])) / float(str(row[kind])):.2f}" for kind in kinds)]


if __name__ == "__main__":
    main()
