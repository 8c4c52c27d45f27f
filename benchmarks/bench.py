"""All benchmarks, one after another, into one page: RESULTS.md.

    make bench                         all, with dbt, SQLMesh and others where they can be installed: half an hour
    make bench BENCH="--quick"         less data, one round, no other tools: minutes
    make bench BENCH="--only flights"  some of them; the page keeps what was measured of the others

The first table has the goals of etl, the second the medians of whole processes: CPU seconds of all their threads,
wall clock, the largest resident set, and how much etl takes of each. On a machine that does other things, compare
CPU seconds. What else the benchmarks say stands below. One that fails is named, and the exit code is 1.
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
from typing import Any

from figures import medians, table
from goals import goals
from processes import REPOSITORY, VERSIONS, python

RESULTS = Path(__file__).with_name("RESULTS.md")
#: What was measured, from which the page is written.
RECORD = Path(__file__).with_name("results.json")
LIBRARIES = ("luigi", "duckdb", "pandas", "pandera", "pyarrow")
#: Each benchmark: its program, what it is told, and what it is told when it must be quick.
BENCHMARKS = {
    "flights": ("flights", "--rounds 3", "--rounds 1 --until 2013-03-31 --no-peers"),
    "slow-disk": ("flights", "--rounds 1 --flush-ms 2", "--rounds 1 --flush-ms 2 --no-peers"),
    "extract": (
        "extract",
        "--rounds 3 --small 1000,10000",
        "--rounds 1 --parts clean,dirty,rules,small --small 1000",
    ),
    "models": ("models", "--rounds 1", "--rounds 1 --parts graph --no-peers"),
    "stored": ("stored", "--rounds 3", "--partitions 100,1000 --rounds 1"),
    "size": ("size", "rejects=1000000 models=500", "rejects=10000 models=50"),
    "publish": ("publish", "--rounds 3", "--gigabytes 0.2 --rounds 1"),
    "environments": ("environments", "", ""),
    "features": ("features", "--rounds 3", "--rounds 1 --until 2013-03-31 --no-peers"),
    "readers": ("readers", "--publishes 20", "--publishes 10"),
    "xml_records": ("xml_records", "", ""),
    "large": ("large", "--millions 6,60", "--millions 2"),
    "extract-60m": ("extract", "--scale 10 --parts clean --rounds 1", ""),
}
#: Run only when they are asked for.
DEAR = ("large", "extract-60m")
#: Those that keep environments of other tools in a folder.
WORKING = ("flights", "extract", "models", "features")


def main() -> None:
    """Run the benchmarks and write the page; exit 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less data, one round, no other tools")
    parser.add_argument("--only", help="the benchmarks to run, with commas between")
    parser.add_argument("--work", type=Path, help="keep data and environments of other tools in this folder")
    options = parser.parse_args()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    names = options.only.split(",") if options.only else [name for name in BENCHMARKS if name not in DEAR]
    for name in names:
        program, *told = BENCHMARKS[name]
        arguments = told[options.quick].split()
        command = " ".join(["python", f"benchmarks/{program}.py", *arguments])
        if options.work and program in WORKING:
            arguments += ["--work", str(options.work / program)]
        record[name] = {"command": command, **run(program, arguments)}
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        RESULTS.write_text("\n".join(page(record)) + "\n")
    sys.exit(any(record[name]["failed"] for name in names))


def run(program: str, arguments: Iterable[str]) -> dict[str, object]:
    """Run one benchmark; return what it measured and said, and under what load."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.jsonl")
        environment = {
            **{key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
            **{"ETL_BENCH": str(file), "PYTHONPATH": str(REPOSITORY)},
        }
        before = os.getloadavg()[0]
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name(f"{program}.py")), *arguments],
            env=environment, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return {
        "failed": done.returncode != 0,
        "said": done.stdout.strip(),
        "rows": list(medians(rows).values()),
        "when": f"{datetime.now(UTC):%Y-%m-%d}",
        "load": round(max(before, os.getloadavg()[0]), 1),
        "versions": f"Python {platform.python_version()}, {python(VERSIONS, *LIBRARIES)}",
        "cores": os.cpu_count(),
    }


def page(record: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of RESULTS.md."""
    figures = {(row["workload"], row["name"]): row for measured in record.values() for row in measured["rows"]}
    yield from ("# Results", "", "Written by `make bench`; [README.md](README.md) says what is measured.", "")
    yield from goals(figures)
    yield ""
    yield from table(figures)
    for name, measured in record.items():
        how = f"{measured['when']}, {measured['cores']} cores, load {measured['load']}. {measured['versions']}."
        yield from ("", f"## {name}", "", f"`{measured['command']}`: {how}", "")
        if measured["failed"]:
            yield from ("It failed.", "")
        yield from ("```", measured["said"], "```")


if __name__ == "__main__":
    main()
