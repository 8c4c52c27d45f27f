"""Extraction beside DuckDB's COPY, pandera.pandas and dlt: lineitem of TPC-H, and many small files.

Usage: python benchmarks/extract.py [--scale 1] [--rounds 5] [--parts clean,dirty,rules,small,dlt]
                                    [--small 1000,3000,10000] [--report FILE.md] [--work DIR]
In each round every workload runs once through each contestant, one after another, so that noise on the
machine hits all alike, and what each has written is counted. This process imports neither duckdb nor etl:
the peak memory of a child includes what its parent held when it was started.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path
from statistics import median

from extract_data import DAY, SMALL_FIRST, SMALL_ROWS, deliver_small, dirty_lines, generate, spoiled, write_project
from processes import VERSIONS, Measurement, empty_ledger, environment, measure, python, tell

PARTS = ("clean", "dirty", "rules", "small", "dlt")
MEMORY_LIMIT = "2GB"
#: Lines of the slice for what would take minutes on the whole file.
SLICE = 100_000

PRODUCT, LIMITED, COPY = "etl", f"etl, memory_limit = {MEMORY_LIMIT}", "DuckDB COPY"
COMPILED, PANDERA = "etl's rules", "pandera.pandas"
FAST_DLT, DLT = "dlt, DuckDB reader", "dlt, default reader"
CLEAN, DIRTY, RULES = "lineitem, clean", "lineitem, 0.1 % dirty", "32 rules"


@dataclass(frozen=True)
class Work:
    """The folder of a benchmark and what lies in it."""

    folder: Path
    scale: int
    clean: Path
    records: int

    @property
    def project(self) -> Path:
        """The product's project."""
        return self.folder / "project"

    @property
    def raw(self) -> Path:
        """Where deliveries are put."""
        return self.project / "data" / "raw"

    @property
    def lake(self) -> Path:
        """The Parquet file that the product makes of lineitem."""
        return self.project / "data" / "lake" / "lineitem" / f"delivery_date={DAY}" / "data.parquet"

    @property
    def out(self) -> Path:
        """What the others write; emptied before each of them."""
        return self.folder / "out"


Run = tuple[str, str, Measurement]
Results = dict[tuple[str, str], list[Measurement]]


def main() -> None:
    """Measure, print the report and write it."""
    options = _options()
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
        report = benchmark(options.work.resolve(), options)
    else:
        with tempfile.TemporaryDirectory(prefix="extract-") as folder:
            report = benchmark(Path(folder).resolve(), options)
    print(report)
    if options.report:
        options.report.write_text(report + "\n", encoding="utf-8")


def benchmark(folder: Path, options: argparse.Namespace) -> str:
    """Run every round in `folder` and return the report in Markdown."""
    tools = environment(folder / "tpch-environment", ["tpchgen-cli"], "tpchgen-cli")
    clean = generate(tools / "bin" / "tpchgen-cli", folder, options.scale)
    work = Work(folder, options.scale, clean, _lines(clean))
    results: Results = defaultdict(list)
    for number in range(1, options.rounds + 1):
        for workload, name, measurement in _round(work, options):
            results[workload, name].append(measurement)
            tell(f"round {number}", workload, name, measurement)
    return "\n".join([*_table(results), "", *_goals(results, options.small), "", *_conditions(work, options)])


def _round(work: Work, options: argparse.Namespace) -> Iterator[Run]:
    if "clean" in options.parts:
        yield from _large(work, CLEAN, work.clean, rejected=0, options="")
    if "dirty" in options.parts:
        dirty = spoiled(work.clean)
        yield from _large(work, DIRTY, dirty, dirty_lines(work.records), "ignore_errors = true")
    if "rules" in options.parts:
        yield from _rules(work)
    if "small" in options.parts:
        for count in options.small:
            yield from _small(work, count)
    if "dlt" in options.parts:
        yield from _dlt(work)


def _large(work: Work, workload: str, file: Path, rejected: int, options: str) -> Iterator[Run]:
    """Extract one delivery of lineitem; `rejected` records of it belong in quarantine."""
    for name, limit in ((PRODUCT, ""), (LIMITED, MEMORY_LIMIT)):
        _prepare(work, limit)
        target = work.raw / "lineitem" / f"{DAY}.tbl"
        target.parent.mkdir(parents=True)
        os.link(file, target)
        measurement = _luigi(work, "LakePartition", "--source", "lineitem", "--dates", str(DAY))
        _expect(_extracted(work) == (work.records - rejected, rejected), name, workload, _extracted(work))
        yield workload, name, measurement
    measurement = _rival(work, COPY, "copy", str(file), str(work.out / "copy.parquet"), options)
    rows = json.loads(measurement.output)["rows"]
    # what COPY drops of a dirty file, and what it lets in, is not the same: only the product is held to it
    _expect(bool(options) or rows == work.records, COPY, workload, rows)
    yield workload, COPY, measurement


def _rules(work: Work) -> Iterator[Run]:
    """Check the rows in the lake; seconds are of the check alone, memory is of the process."""
    if not work.lake.exists():
        list(_large(work, CLEAN, work.clean, rejected=0, options=""))
    for name, command in ((COMPILED, "rules"), (PANDERA, "pandera")):
        measurement = _rival(work, name, command, str(work.project), str(work.lake))
        found = json.loads(measurement.output)
        _expect(found["broken"] == 0, name, RULES, found)
        yield RULES, name, replace(measurement, seconds=found["seconds"])


def _small(work: Work, count: int) -> Iterator[Run]:
    """Extract many small deliveries through Luigi; loading, which the ledger times, is taken off."""
    workload = f"{count:,} partitions"
    _prepare(work)
    with work.clean.open("rb") as lines:
        deliver_small(lines, work.raw / "small", count)
    measurement = _luigi(work, "LoadedTable", "--source", "small")
    _expect(_extracted(work) == (count * SMALL_ROWS, 0), PRODUCT, workload, _extracted(work))
    yield workload, PRODUCT, replace(measurement, seconds=measurement.seconds - _loading_seconds(work))
    yield workload, COPY, _rival(work, COPY, "copies", str(work.raw / "small"), str(work.out / "small"))


def _dlt(work: Work) -> Iterator[Run]:
    tool = environment(work.folder / "dlt-environment", ["dlt[duckdb,filesystem,parquet]", "pandas"])
    part = work.folder / "slice.tbl"
    with work.clean.open("rb") as source, part.open("wb") as file:
        file.writelines(islice(source, SLICE))
    for name, reader, file_, factor in (
        (FAST_DLT, "duckdb", work.clean, 1.0),
        (DLT, "pandas", part, work.records / SLICE),
    ):
        arguments = ["dlt", str(file_), str(work.out), reader]
        measurement = _rival(work, name, *arguments, interpreter=str(tool / "bin" / "python"))
        rows = json.loads(measurement.output.splitlines()[-1])["rows"]
        _expect(round(rows * factor) == work.records, name, CLEAN, rows)
        seconds, cpu = measurement.seconds * factor, measurement.cpu_seconds * factor
        yield CLEAN, name, replace(measurement, seconds=seconds, cpu_seconds=cpu)


def _prepare(work: Work, memory_limit: str = "") -> None:
    """Leave nothing of an earlier run but the compiled contract, which the first run of all makes."""
    data = work.project / "data"
    for folder in ("raw", "lake", "quarantine", "warehouse", ".scratch"):
        shutil.rmtree(data / folder, ignore_errors=True)
    write_project(work.project, memory_limit)
    if not (data / "ledger.sqlite").exists():
        _luigi(work, "LoadedTable", "--source", "small")
    empty_ledger(data / "ledger.sqlite")


def _luigi(work: Work, *arguments: str) -> Measurement:
    luigi = str(Path(sys.executable).with_name("luigi"))
    return measure(PRODUCT, [luigi, "--module", "etl", *arguments], {"ETL_PROJECT": str(work.project)})


def _rival(work: Work, name: str, *arguments: str, interpreter: str = sys.executable) -> Measurement:
    shutil.rmtree(work.out, ignore_errors=True)
    work.out.mkdir(parents=True)
    script = str(Path(__file__).with_name("extract_rivals.py"))
    variables = {"RUNTIME__DLTHUB_TELEMETRY": "false", "PYTHONWARNINGS": "ignore"}
    return measure(name, [interpreter, script, *arguments], variables)


def _extracted(work: Work) -> tuple[int, int]:
    """Return rows and rejects, as the receipts say."""
    query = "select details from receipts where step = 'extract'"
    details = [json.loads(text) for (text,) in _ledger(work, query)]
    return sum(d["rows"] for d in details), sum(d["rejected"] for d in details)


def _loading_seconds(work: Work) -> float:
    return float(_ledger(work, "select sum(seconds) from receipts where step = 'load'")[0][0])


def _ledger(work: Work, query: str) -> list[tuple]:  # type: ignore[type-arg]
    with closing(sqlite3.connect(work.project / "data" / "ledger.sqlite")) as con:
        return con.execute(query).fetchall()


def _expect(holds: bool, name: str, workload: str, found: object) -> None:
    if not holds:
        sys.exit(f"{workload}: {name} did not do the work; it found {found}")


def _lines(file: Path) -> int:
    with file.open("rb") as content:
        return sum(block.count(b"\n") for block in iter(lambda: content.read(1 << 22), b""))


def _median(results: Results, workload: str, name: str, of: Callable[[Measurement], float]) -> float:
    found = [of(measurement) for measurement in results.get((workload, name), ())]
    return median(found) if found else float("nan")


def _seconds(results: Results, workload: str, name: str) -> float:
    return _median(results, workload, name, lambda m: m.seconds)


def _cpu(results: Results, workload: str, name: str) -> float:
    return _median(results, workload, name, lambda m: m.cpu_seconds)


def _peak(results: Results, workload: str, name: str) -> float:
    return _median(results, workload, name, lambda m: m.peak_mb)


def _table(results: Results) -> Iterator[str]:
    yield "| workload | contestant | seconds | ratio | CPU seconds | ratio | peak MB | ratio |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for workload, name in results:
        yardstick = PANDERA if workload == RULES else COPY
        cells = []
        for of, digits in ((lambda m: m.seconds, 2), (lambda m: m.cpu_seconds, 2), (lambda m: m.peak_mb, 0)):
            value, other = (_median(results, workload, who, of) for who in (name, yardstick))
            cells += [f"{value:.{digits}f}", f"{value / other:.2f}"]
        yield f"| {workload} | {name} | {' | '.join(cells)} |"


def _goals(results: Results, small: list[int]) -> Iterator[str]:
    yield f"| goal of {PRODUCT} | measured | met |"
    yield "| --- | ---: | --- |"
    for text, value, limit, unit in _measured_goals(results, small):
        if value == value:  # not measured is nan
            yield f"| {text} | {value:.2f}{unit} | {'yes' if value <= limit else 'no'} |"


def _measured_goals(results: Results, small: list[int]) -> Iterator[tuple[str, float, float, str]]:
    for workload, limit in ((CLEAN, 1.1), (DIRTY, 1.7)):
        copy = _cpu(results, workload, COPY)
        for name in (PRODUCT, LIMITED):
            ratio = _cpu(results, workload, name) / copy
            yield f"{workload}: {name}, at most {limit:g} of {COPY} by CPU", ratio, limit, ""
        yield f"{workload}: peak memory", _peak(results, workload, PRODUCT), 350, " MB"
        # the limit is DuckDB's; Python, Arrow and the rest have 512 MB beside it
        peak = _peak(results, workload, LIMITED)
        yield f"{workload}: memory within {MEMORY_LIMIT} and 512 MB", peak / 1000, 2.5, " GB"
    for text, of, limit in (("time", _seconds, 1 / 5), ("memory", _peak, 1 / 4)):
        ratio = of(results, RULES, COMPILED) / of(results, RULES, PANDERA)
        yield f"{RULES}: at most 1/{1 / limit:.0f} of {PANDERA}' {text}", ratio, limit, ""
    beyond = {n: _beyond(results, n) for n in small}
    for count, seconds in beyond.items():
        yield f"{count:,} partitions: at most 2 ms each beyond {COPY}", seconds / count * 1000, 2, " ms"
    if len(small) > 1:
        first, last = small[0], small[-1]
        slope = (beyond[last] - beyond[first]) / (last - first) * 1000
        yield f"each partition from {first:,} to {last:,}: at most 2 ms beyond {COPY}", slope, 2, " ms"


def _beyond(results: Results, count: int) -> float:
    workload = f"{count:,} partitions"
    return _seconds(results, workload, PRODUCT) - _seconds(results, workload, COPY)


def _conditions(work: Work, options: argparse.Namespace) -> Iterator[str]:
    size = work.clean.stat().st_size / 1e6
    yield f"Medians of {options.rounds} rounds, {os.cpu_count()} cores; lineitem at scale {work.scale}: "
    yield f"{work.records:,} records, {size:,.0f} MB. Python {sys.version.split()[0]},"
    yield f"{python(VERSIONS, 'luigi', 'duckdb', 'pandera')}."
    if options.small and "small" in options.parts:
        last = SMALL_FIRST + timedelta(max(options.small) - 1)
        yield f"Small partitions: {SMALL_ROWS} rows each, {SMALL_FIRST} to {last}; loading is not counted."
    if "dlt" in options.parts:
        interpreter = str(work.folder / "dlt-environment" / "bin" / "python")
        yield f"dlt: {python(VERSIONS, 'dlt', 'duckdb', interpreter=interpreter)}; its default reader took the"
        yield f"first {SLICE:,} lines, and its times are multiplied by {work.records / SLICE:.1f}."


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scale", type=int, default=1, help="TPC-H's scale factor; 1 is 760 MB (default 1)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default 5)")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"what to measure (default {','.join(PARTS)})")
    parser.add_argument("--small", default="1000,3000,10000", help="numbers of small partitions")
    parser.add_argument("--report", type=Path, help="write the tables to this Markdown file too")
    parser.add_argument("--work", type=Path, help="keep everything, data and environments too, in this folder")
    options = parser.parse_args()
    options.parts = options.parts.split(",")
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"--parts knows no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if options.scale < 1 or options.rounds < 1 or not all(n.isdecimal() for n in options.small.split(",")):
        parser.error("--scale, --rounds and --small are whole numbers, 1 or more")
    options.small = sorted(map(int, options.small.split(",")))
    return options


if __name__ == "__main__":
    main()
