"""The proof by killing: nights over the flights of January and the orders, killed at random moments.

    python benchmarks/soak.py --kills 500 --minutes 60

Deliveries change between nights, builds and lakes are deleted, one or more workers run, and SIGKILL, SIGTERM or
SIGINT ends the whole run, its parent alone, or one child. After a kill, or up to four, the next night must
end with exit code 0, and what it publishes must be what an undisturbed project publishes of the same deliveries,
quarantine included; nothing half-written may be left. Meanwhile readers open and count the warehouse: what they
see must be a whole generation. A kill counts if it met a run under way. Exit code 0 if all of that holds; `--seed`
repeats a run's choices, though not its instants.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from processes import REPOSITORY, default_project

DATE = "2018-05-27"
#: The deliveries that change: each is one of two texts, so there are four states.
CHANGING = ("flights/2013-01-15.csv", "orders/2018-05-25.psv")
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
#: What is deleted before a night, if anything is.
LOST = ((), (), (), (), (), ("warehouse/build.duckdb*",), ("lake", "quarantine"), ("ledger.sqlite*",))

# counts and order-free sums over all columns, floats to 9 digits: none of etl's own hashes is trusted here
CONTENT = """
import duckdb, json, sys
con = duckdb.connect(sys.argv[1], read_only=True)
# of code without a file DuckDB thinks that somebody watches, and draws progress on stdout
con.execute("set threads = 1; set enable_progress_bar = false")
tables = con.execute('''
    select table_schema || '.' || table_name, list((column_name, data_type) order by ordinal_position)
    from information_schema.columns
    where (table_schema in ('raw', 'staging', 'marts') or (table_schema, table_name) = ('etl', 'rejects'))
        and column_name not in ('_loaded_at', 'run_id')
    group by all order by 1
''').fetchall()
found = {}
for table, columns in tables:
    texts = [
        f"printf('%.9g', {name})" if type == 'DOUBLE' else f"coalesce({name}::varchar, '~')" for name, type in
        ((('"' + name + '"'), type) for name, type in columns)
    ]
    query = f"select count(*), coalesce(sum(hash(concat_ws('|', {', '.join(texts)})))::varchar, '') from {table}"
    found[table] = con.execute(query).fetchone()
print(json.dumps(found))
"""
READER = """
import duckdb, json, os, sys, pathlib, time
warehouse, stop, polls, seen = sys.argv[1], pathlib.Path(sys.argv[2]), 0, {}
problems, parent = [], os.getppid()
while not stop.exists() and os.getppid() == parent:
    try:
        with duckdb.connect(warehouse, read_only=True) as con:
            con.execute("set threads = 1; set enable_progress_bar = false")
            counts = con.execute('''select
                (select count(*) from raw.flights), (select count(*) from marts.flights),
                (select sum(flights) from marts.route_daily)::int,
                (select sum(rows) from etl.partitions where source = 'flights')::int,
                (select count(*) from raw.orders),
                (select sum(rows) from etl.partitions where source = 'orders')::int,
                (select count(*) from etl.checks where not passed and severity = 'error')
            ''').fetchone()
        seen[json.dumps(counts)] = seen.get(json.dumps(counts), 0) + 1
    except Exception as error:
        problems.append(f"{type(error).__name__}: {error}")
    polls += 1
    time.sleep(0.2)
print(json.dumps({"polls": polls, "seen": seen, "problems": problems}))
"""


@dataclass
class Tally:
    """What was counted; all but `kills`, `nights` and `polls` must be 0."""

    kills: int = 0
    nights: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def note(self, kind: str, text: str) -> None:
        """Count something that must not be."""
        self.counts[kind] += 1
        self.problems.append(f"{kind}: {text}")
        print(f"  {kind}: {text}", flush=True)


@dataclass
class Lane:
    """One project that is disturbed, and the random choices about it."""

    root: Path
    texts: dict[str, tuple[bytes, bytes]]
    random: random.Random
    state: list[int] = field(default_factory=lambda: [0, 0])
    #: How long an undisturbed night takes, by what was lost before it.
    seconds: dict[bool, float] = field(default_factory=lambda: {True: 4.0, False: 2.0})

    @property
    def data(self) -> Path:
        return self.root / "data"

    def deliver(self) -> None:
        """Send some of the changing deliveries again, as a careful sender does."""
        for n, name in enumerate(CHANGING):
            self.state[n] = self.random.randint(0, 1)
            part = self.data / "raw" / f"{name}.part"
            part.write_bytes(self.texts[name][self.state[n]])
            part.replace(self.data / "raw" / name)

    def forget(self, patterns: tuple[str, ...]) -> None:
        """Delete what the next night must make anew."""
        for pattern in patterns:
            for path in self.data.glob(pattern):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def start(self, workers: int) -> subprocess.Popen[bytes]:
        """Start a night, as the leader of a process group."""
        command = [sys.executable, "-m", "luigi", "--module", "etl", "Nightly", "--date", DATE]
        log = (self.root / "night.log").open("wb")
        return subprocess.Popen(
            [*command, "--workers", str(workers)],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def kill(self, is_long: bool) -> bool:
        """Start a night and end it, or a part of it, at a random moment; return whether it was still under way."""
        process = self.start(self.random.choice((1, 1, 2, 4)))
        time.sleep(self.random.uniform(0.1, self.seconds[is_long]))
        is_under_way = process.poll() is None
        how, whom = self.random.choice(SIGNALS), self.random.choice(("all", "all", "parent", "child"))
        try:
            if whom == "all":
                os.killpg(process.pid, how)
            else:
                os.kill(
                    self.random.choice(children(process.pid) or [process.pid]) if whom == "child" else process.pid,
                    how,
                )
        except ProcessLookupError:
            pass
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return is_under_way

    def finish(self, is_long: bool) -> str:
        """Run a night to its end; return what it says if it fails."""
        started = time.monotonic()
        for _ in range(20):
            code = self.start(self.random.choice((1, 2))).wait(timeout=300)
            if code != 10:
                break
            # children of a killed parent end within a fraction of a second
            time.sleep(0.2)
        self.seconds[is_long] = 0.7 * self.seconds[is_long] + 0.3 * (time.monotonic() - started)
        return "" if code == 0 else f"exit code {code}: {(self.root / 'night.log').read_text()[-2000:]}"

    def content(self) -> dict[str, list[object]]:
        """Return the rows and the hash of each published table."""
        return json.loads(output(CONTENT, str((self.data / "warehouse.duckdb").resolve())))

    def leftovers(self) -> list[str]:
        """Return what a finished night must not leave behind."""
        patterns = (".scratch/**/*", "warehouse/generations/.*", "warehouse/*.wal", "**/*.new", "**/*.tmp")
        return sorted(str(path) for pattern in patterns for path in self.data.glob(pattern) if not path.is_dir())


def main() -> None:
    """Kill until there were enough kills or the time is up; exit 1 if anything was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--lanes", type=int, default=2, help="projects that are killed side by side")
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    # of a parent that ignores it, as one in the background does, the nights would too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        wanted, lanes = prepare(Path(folder), options.lanes, seed)
        stop, tally = Path(folder) / "stop", Tally()
        readers = [reader(lane, stop) for lane in lanes]
        end = time.monotonic() + options.minutes * 60
        with ThreadPoolExecutor(options.lanes) as pool:
            list(pool.map(lambda lane: disturb(lane, wanted, tally, options.kills, end), lanes))
        stop.touch()
        polls = sum(check_reader(process, wanted, tally) for process in readers)
    kinds = ("lost", "doubled", "other content", "partial reads", "reader errors", "left behind", "manual steps")
    print(
        f"{tally.kills} kills, {tally.nights} nights after them, {polls:,} reads meanwhile; "
        + ", ".join(f"{tally.counts[kind]} {kind}" for kind in kinds)
    )
    sys.exit(1 if tally.problems or tally.kills < options.kills else 0)


def prepare(folder: Path, count: int, seed: int) -> tuple[dict[str, dict[str, list[object]]], list[Lane]]:
    """Return what an undisturbed project publishes in each state, and the projects to disturb."""
    sys.path.insert(0, str(REPOSITORY))
    from etl.operations.sample_flights import deliver

    first = folder / "undisturbed"
    default_project(first, "keep_generations = 3\n")
    deliver(first / "data/raw", date(2013, 1, 31))
    texts = {name: variants((first / "data/raw" / name).read_bytes()) for name in CHANGING}
    lane = Lane(first, texts, random.Random(seed))
    wanted: dict[str, dict[str, list[object]]] = {}
    while len(wanted) < 4:
        lane.deliver()
        if problem := lane.finish(is_long=True):
            sys.exit(f"an undisturbed night failed: {problem}")
        wanted[str(lane.state)] = lane.content()
    lanes = []
    for number in range(count):
        root = folder / f"lane{number}"
        shutil.copytree(first, root, symlinks=True)
        lanes.append(Lane(root, texts, random.Random(seed + number)))
    return wanted, lanes


def variants(text: bytes) -> tuple[bytes, bytes]:
    """Return a delivery, and the same without its last tenth and with a record that is rejected."""
    lines = text.splitlines(keepends=True)
    return text, b"".join(lines[: len(lines) * 9 // 10]) + b"no,record\n"


def disturb(lane: Lane, wanted: dict[str, dict[str, list[object]]], tally: Tally, kills: int, end: float) -> None:
    """Kill nights of one project, and look at what the next one makes of it, until there were enough."""
    while tally.kills < kills and time.monotonic() < end:
        lost = lane.random.choice(LOST)
        lane.deliver()
        lane.forget(lost)
        for _ in range(lane.random.choice((1, 1, 2, 4))):
            tally.kills += lane.kill(is_long=bool(lost))
        problem = lane.finish(is_long=bool(lost))
        tally.nights += 1
        if problem:
            tally.note("manual steps", problem)
            continue
        compare(lane.content(), wanted[str(lane.state)], tally)
        for path in lane.leftovers():
            tally.note("left behind", path)
        if tally.nights % 20 == 0:
            print(f"{tally.kills} kills, {len(tally.problems)} problems", flush=True)


def compare(found: dict[str, list[object]], wanted: dict[str, list[object]], tally: Tally) -> None:
    """Count tables that lost rows, doubled them, or hold something else."""
    for table, (rows, text) in wanted.items():
        there = found.get(table, [0, ""])
        if there[0] != rows:
            tally.note("lost" if there[0] < rows else "doubled", f"{table}: {there[0]} rows, not {rows}")
        elif there[1] != text:
            tally.note("other content", table)


def reader(lane: Lane, stop: Path) -> subprocess.Popen[str]:
    """Start an analyst who opens the warehouse and counts, again and again."""
    command = [sys.executable, "-c", READER, str(lane.data / "warehouse.duckdb"), str(stop)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check_reader(process: subprocess.Popen[str], wanted: dict[str, dict[str, list[object]]], tally: Tally) -> int:
    """Count what a reader should not have seen; return how often it looked."""
    said = json.loads(process.communicate(timeout=120)[0])
    whole = {
        json.dumps(
            [
                *(
                    held["raw.flights"][0],
                    held["marts.flights"][0],
                    held["raw.flights"][0],
                    held["raw.flights"][0],
                ),
                *(held["raw.orders"][0], held["raw.orders"][0], 0),
            ]
        )
        for held in wanted.values()
    }
    for counts, times in said["seen"].items():
        if counts not in whole:
            tally.note("partial reads", f"{counts}, {times} times; whole are {sorted(whole)}")
    for problem in said["problems"]:
        tally.note("reader errors", problem)
    return int(said["polls"])


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def output(code: str, *arguments: str) -> str:
    """Run Python code in a process of its own, which must succeed; return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, check=True
    ).stdout


if __name__ == "__main__":
    main()
