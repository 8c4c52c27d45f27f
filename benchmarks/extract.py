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
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

from extract_data import DAY, SMALL_FIRST, SMALL_ROWS, deliver_small, dirty_lines, generate, spoiled, write_project
from figures import PRODUCT, report
from processes import TOLD, VERSIONS, Measurement, empty_ledger, environment, measure, python, tell

PARTS = ("clean", "dirty", "rules", "small", "dlt")
MEMORY_LIMIT = "2GB"
#: Lines of the slice for what would take minutes on the whole file.
SLICE = 20_000

LIMITED, COPY = f"etl, memory_limit = {MEMORY_LIMIT}", "DuckDB COPY"
PANDERA = "pandera.pandas"
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

    def named(self, workload: str) -> str:
        """Return a workload's name with the scale, if that is not 1."""
        return workload if self.scale == 1 else workload.replace("lineitem", f"lineitem x {self.scale}")

    @property
    def out(self) -> Path:
        """What the others write; emptied before each of them."""
        return self.folder / "out"


Run = tuple[str, str, Measurement]


def main() -> None:
    """Measure, print the report and write it."""
    options = _options()
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
        said = benchmark(options.work.resolve(), options)
    else:
        with tempfile.TemporaryDirectory(prefix="extract-") as folder:
            said = benchmark(Path(folder).resolve(), options)
    print(said)
    if options.report:
        options.report.write_text(said + "\n", encoding="utf-8")


def benchmark(folder: Path, options: argparse.Namespace) -> str:
    """Run every round in `folder` and return the report in Markdown."""
    tools = environment(folder / "tpch-environment", ["tpchgen-cli"], "tpchgen-cli")
    clean = generate(tools / "bin" / "tpchgen-cli", folder, options.scale)
    work = Work(folder, options.scale, clean, _lines(clean))
    for number in range(1, options.rounds + 1):
        for workload, name, measurement in _round(work, options, number):
            tell(f"round {number}", workload, name, measurement)
    return report(TOLD, _conditions(work, options))


def _round(work: Work, options: argparse.Namespace, number: int) -> Iterator[Run]:
    limits = ("", MEMORY_LIMIT) if number == 1 else ("",)
    if "clean" in options.parts:
        yield from _large(work, work.named(CLEAN), work.clean, limits=limits)
    if "dirty" in options.parts:
        dirty, rejected = spoiled(work.clean), dirty_lines(work.records)
        yield from _large(work, work.named(DIRTY), dirty, rejected, "ignore_errors = true", limits)
    if "rules" in options.parts:
        yield from _rules(work)
    if "small" in options.parts:
        for count in options.small:
            yield from _small(work, count)
    if "dlt" in options.parts and number == 1:
        yield from _dlt(work)


def _large(
    work: Work, workload: str, file: Path, rejected: int = 0, options: str = "", limits: Sequence[str] = ("",)
) -> Iterator[Run]:
    """Extract one delivery of lineitem; `rejected` records of it belong in quarantine."""
    for limit in limits:
        name = LIMITED if limit else PRODUCT
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
    """Check the rows in the lake; times are of the check alone, memory is of the process."""
    if not work.lake.exists():
        list(_large(work, CLEAN, work.clean))
    for name, command in ((PRODUCT, "rules"), (PANDERA, "pandera")):
        measurement = _rival(work, name, command, str(work.project), str(work.lake))
        found = json.loads(measurement.output)
        _expect(found["broken"] == 0, name, RULES, found)
        yield RULES, name, replace(measurement, seconds=found["seconds"], cpu_seconds=found["cpu_seconds"])


def _small(work: Work, count: int) -> Iterator[Run]:
    """Extract many small deliveries through Luigi; loading, which the ledger times, is taken off."""
    workload = f"{count:,} partitions"
    _prepare(work)
    with work.clean.open("rb") as lines:
        deliver_small(lines, work.raw / "small", count)
    measurement = _luigi(work, "LoadedTable", "--source", "small")
    _expect(_extracted(work) == (count * SMALL_ROWS, 0), PRODUCT, workload, _extracted(work))
    seconds, cpu = _loading(work)
    measurement = replace(
        measurement, seconds=measurement.seconds - seconds, cpu_seconds=measurement.cpu_seconds - cpu
    )
    yield workload, PRODUCT, measurement
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


def _loading(work: Work) -> tuple[float, float]:
    """Return what loading took, as the history says: by wall clock, and CPU seconds."""
    [(seconds, cpu)] = _ledger(work, "select sum(seconds), sum(cpu_seconds) from steps where step = 'load'")
    return seconds, cpu


def _ledger(work: Work, query: str) -> list[tuple]:  # type: ignore[type-arg]
    with closing(sqlite3.connect(work.project / "data" / "ledger.sqlite")) as con:
        return con.execute(query).fetchall()


def _expect(holds: bool, name: str, workload: str, found: object) -> None:
    if not holds:
        sys.exit(f"{workload}: {name} did not do the work; it found {found}")


def _lines(file: Path) -> int:
    with file.open("rb") as content:
        return sum(block.count(b"\n") for block in iter(lambda: content.read(1 << 22), b""))


def _conditions(work: Work, options: argparse.Namespace) -> Iterator[str]:
    size = work.clean.stat().st_size / 1e6
    yield f"Medians of {options.rounds} rounds, dlt and the limit of memory once; {os.cpu_count()} cores."
    yield f"lineitem at scale {work.scale}: {work.records:,} records, {size:,.0f} MB."
    yield f"Python {sys.version.split()[0]}, {python(VERSIONS, 'luigi', 'duckdb', 'pandera')}."
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
