"""The flights of 2013 through `etl`, a hand-written script and dbt-duckdb: whole processes, side by side.

Usage: python benchmarks/flights.py [--rounds 5] [--until 2013-12-31] [--report FILE.md] [--work DIR]
In each round every workload runs once through each contestant, one after another, so that noise on the
machine hits all alike, and what each has published is compared. This process imports neither duckdb nor etl:
the peak memory of a child includes what its parent held when it was started.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from figures import PRODUCT, report
from flights_dbt import write_project
from processes import (
    DELIVER_FLIGHTS,
    REPOSITORY,
    TOLD,
    VERSIONS,
    Measurement,
    forget_runs,
    measure,
    peer,
    python,
    tell,
)
from slow_disk import slow_disk

OTHER_DOMAIN = shutil.ignore_patterns("*orders*", "*items*", "*sites*", "__pycache__")
LAST_DAY, FLIGHTS_OF_THE_YEAR = date(2013, 12, 31), 336_776

DBT_PACKAGES = ("dbt-core<1.12", "dbt-duckdb")
SCRIPT, DBT, IMPORT = "hand-written script", "dbt-duckdb", "import luigi"
FIRST = "all days, very first run"
ALL = "all days, from nothing"
DAY = "one new day"
NOTHING = "nothing new"
_TOTALS = """
import sys, json, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
print(json.dumps(con.execute('''
    select
        (select count(*) from marts.flights), sum(flights), sum(cancelled_flights), sum(arrived_flights),
        sum(late_flights), sum(distance_miles), round(sum(avg_arr_delay_minutes), 3)
    from marts.route_daily
''').fetchone(), default=int))
"""


@dataclass(frozen=True)
class Contestant:
    """One way to the warehouse; `forget(everything)` undoes its runs, all or but for what it has compiled."""

    name: str
    command: list[str]
    variables: dict[str, str]
    published: Path
    forget: Callable[[bool], None]


Run = tuple[str, Contestant, Measurement]


def main() -> None:
    """Measure, print the report and write it."""
    options = _options()
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
        said = benchmark(options.work.resolve(), options)
    else:
        with tempfile.TemporaryDirectory(prefix="flights-") as folder:
            said = benchmark(Path(folder).resolve(), options)
    print(said)
    if options.report:
        options.report.write_text(said + "\n", encoding="utf-8")


def benchmark(work: Path, options: argparse.Namespace) -> str:
    """Run every round in the folder `work` and return the report in Markdown."""
    until, disk = options.until, f", {options.flush_ms:g} ms a flush" if options.flush_ms else ""
    # of this process too: those that it starts have what it has
    os.environ.update(slow_disk(work, options.flush_ms) if options.flush_ms else {})
    for name in ("project", "script", "dbt-project"):
        shutil.rmtree(work / name, ignore_errors=True)
    raw = _project(work / "project")
    dbt = peer(work / "dbt-environment", DBT_PACKAGES, "dbt") if not options.no_peers else None
    python(DELIVER_FLIGHTS, str(raw), str(until))
    contestants = [
        _product(work / "project", until),
        _script(work / "script", work / "project"),
        *([_dbt(work / "dbt-project", work / "project", dbt)] if dbt else []),
    ]
    expected = _records(raw / "flights")
    if until == LAST_DAY and expected != FLIGHTS_OF_THE_YEAR:
        sys.exit(f"the sample has {expected:,} flights, not the {FLIGHTS_OF_THE_YEAR:,} of 2013")
    for number in range(1, options.rounds + 1):
        for workload, contestant, measurement in _round(contestants, raw, until):
            tell(f"round {number}", f"flights to {until}{disk}: {workload}", contestant.name, measurement)
            _verify(contestants if contestant is contestants[-1] else [contestant], expected)
        measurement = measure(IMPORT, [sys.executable, "-c", IMPORT])
        tell(f"round {number}", f"flights to {until}{disk}: {NOTHING}", IMPORT, measurement)
    return report(TOLD, _conditions(dbt, options))


def _round(contestants: list[Contestant], raw: Path, until: date) -> Iterator[Run]:
    """Run each workload once through each contestant; the last day goes and comes back in between."""
    for workload in (FIRST, ALL):
        for contestant in contestants:
            contestant.forget(workload == FIRST)
            yield workload, contestant, _measured(contestant)
    for source in ("flights", "weather"):
        (raw / source / f"{until}.csv").unlink(missing_ok=True)
    for contestant in contestants:
        contestant.forget(False)
        _measured(contestant)
    python(DELIVER_FLIGHTS, str(raw), str(until))
    for workload in (DAY, NOTHING):
        for contestant in contestants:
            yield workload, contestant, _measured(contestant)


def _measured(contestant: Contestant) -> Measurement:
    return measure(contestant.name, contestant.command, contestant.variables)


def _verify(contestants: list[Contestant], flights: int) -> None:
    """Exit unless each contestant has published every flight once, and the same totals as the others."""
    totals = {c.name: json.loads(python(_TOTALS, str(c.published))) for c in contestants}
    for name, values in totals.items():
        if values[0] != flights:
            sys.exit(f"{name} published {values[0]:,} flights of {flights:,}")
    if len({tuple(values) for values in totals.values()}) > 1:
        sys.exit(f"the contestants disagree on the totals of marts.route_daily: {totals}")


def _project(folder: Path) -> Path:
    """Make the project of the flights alone, from the default project's content; return its raw folder."""
    for part, original in (("contracts", REPOSITORY / "contracts"), ("sql", REPOSITORY / "sql")):
        shutil.copytree(original, folder / part, ignore=OTHER_DOMAIN)
    (folder / "luigi.cfg").write_text("[etl]\ncontracts = contracts\nsql = sql\n", encoding="utf-8")
    return folder / "data" / "raw"


def _product(project: Path, until: date) -> Contestant:
    data = project / "data"

    luigi = str(Path(sys.executable).with_name("luigi"))
    command = [luigi, "--module", "etl", "Nightly", "--date", str(until)]
    return Contestant(
        PRODUCT, command, {"ETL_PROJECT": str(project)}, data / "warehouse.duckdb", partial(forget_runs, data)
    )


def _script(folder: Path, project: Path) -> Contestant:
    folder.mkdir()
    published = folder / "flights.duckdb"
    arguments = [str(project / "data" / "raw"), str(project / "sql"), str(published)]
    command = [sys.executable, str(Path(__file__).with_name("flights_script.py")), *arguments]
    return Contestant(SCRIPT, command, {}, published, lambda everything: published.unlink(missing_ok=True))


def _dbt(folder: Path, project: Path, dbt: Path) -> Contestant:
    database = folder / "flights.duckdb"
    write_project(folder, project / "data" / "raw", project / "sql", database, threads=os.cpu_count() or 1)

    def forget(everything: bool) -> None:
        for path in folder.glob("flights.duckdb*"):
            path.unlink()
        if everything:
            shutil.rmtree(folder / "target", ignore_errors=True)

    folders = [f"--project-dir={folder}", f"--profiles-dir={folder}", f"--log-path={folder / 'logs'}"]
    return Contestant(DBT, [str(dbt / "bin" / "dbt"), "build", *folders], {}, database, forget)


def _records(folder: Path) -> int:
    """Count the records of all files; no cell of the sample holds a line end."""
    return sum(path.read_bytes().count(b"\n") - 1 for path in folder.glob("*.csv"))


def _conditions(dbt: Path | None, options: argparse.Namespace) -> Iterator[str]:
    yield f"Medians of {options.rounds} rounds, {os.cpu_count()} cores, deliveries to {options.until}."
    yield f"Python {sys.version.split()[0]}, {python(VERSIONS, 'luigi', 'duckdb', 'pandera')}; for dbt: "
    packages = ("dbt-core", "dbt-duckdb", "duckdb")
    yield f"{python(VERSIONS, *packages, interpreter=str(dbt / 'bin/python'))}." if dbt else "not measured."


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default 5)")
    parser.add_argument("--until", type=date.fromisoformat, default=LAST_DAY, help="last day to deliver")
    parser.add_argument("--no-peers", action="store_true", help="measure nothing that must be installed first")
    parser.add_argument("--flush-ms", type=float, default=0, help="have each flush wait so many milliseconds more")
    parser.add_argument("--report", type=Path, help="write the tables to this Markdown file too")
    parser.add_argument("--work", type=Path, help="keep everything, dbt's environment too, in this folder")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    if not date(2013, 1, 2) <= options.until <= LAST_DAY:
        parser.error(f"--until must be between 2013-01-02 and {LAST_DAY}")
    return options


if __name__ == "__main__":
    main()
