"""What `etl watch` takes from a rename to the published row, what it costs while idle, and what a storm does.

    python benchmarks/watch.py latency --arrivals 200
    python benchmarks/watch.py idle --seconds 120
    python benchmarks/watch.py storm --files 10000 --seconds 3600

`latency` has the flights of January published, and a day of them delivered again and again with other rows; each
time counts from the rename to when the link of the warehouse leads to the generation with them. `idle` counts
the CPU and the memory of the process that watches. `storm` delivers files in bursts: whole ones, half-written ones
that are finished later or never, duplicates, renames and deletions. In the end each complete one must be published
once and no other, no reader may have seen a part of one, and runs must keep the cool-down. It then exits with 0.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from processes import DELIVER_FLIGHTS, REPOSITORY, default_project

ETL = (sys.executable, "-P", "-m", "etl")
#: How `etl run` ends while another run is under way.
UNDER_WAY = 10
DAY = "2013-01-31"
CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Row(pa.DataFrameModel):
    id: int
    file: int

settled = Source(contract=Row, files="settled/{date}/*.csv", settle_seconds=5)
marked = Source(contract=Row, files="marked/{date}.csv", marker="{file}.done")
"""
#: The rows of each file that is published.
ALL = (
    "select file, count(*) from (from raw.settled select file union all from raw.marked select file) group by all"
)
#: The rows of each file of a storm.
ROWS = 4


@contextmanager
def watched(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have a project watched meanwhile."""
    own = dict(os.environ, ETL_PROJECT=str(root), PYTHONPATH=str(REPOSITORY))
    with (root / "watch.log").open("wb") as log:
        process = subprocess.Popen([*ETL, "watch"], cwd=root, env=own, stdout=log, stderr=subprocess.STDOUT)
        try:
            until(lambda: b"sees the run end" in (root / "watch.log").read_bytes(), process)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def until(is_so, process: subprocess.Popen[bytes], seconds: float = 300) -> float:
    """Wait until something is so, and return how long that took."""
    begun = time.monotonic()
    while not is_so():
        if process.poll() is not None or time.monotonic() - begun > seconds:
            raise SystemExit("The watch ended, or nothing came of what was delivered. See watch.log.")
        time.sleep(0.005)
    return time.monotonic() - begun


def deliver(path: Path, text: bytes) -> None:
    """Write a file aside, and rename it to its place."""
    aside = path.with_name(f".{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside.write_bytes(text)
    aside.rename(path)


def flights(root: Path, cool_down: int) -> None:
    """Publish the flights of January."""
    default_project(root, f"watch_cool_down = {cool_down}\n")
    subprocess.run([sys.executable, "-c", DELIVER_FLIGHTS, root / "data/raw", DAY], cwd=REPOSITORY, check=True)
    own = dict(os.environ, ETL_PROJECT=str(root), PYTHONPATH=str(REPOSITORY))
    subprocess.run([sys.executable, "-P", "-m", "etl", "run"], cwd=root, env=own, check=True, capture_output=True)


def latency(root: Path, arrivals: int, cool_down: int) -> list[float]:
    """Return the seconds from each rename to the published row."""
    flights(root, cool_down)
    place, link = root / f"data/raw/flights/{DAY}.csv", root / "data/warehouse/current"
    header, *lines = place.read_bytes().splitlines(keepends=True)
    found = []
    with watched(root) as process:
        for number in range(arrivals):
            # what comes within the cool-down waits for it, which is what it is for
            time.sleep(cool_down + 0.3)
            before = os.readlink(link)
            some = [line for n, line in enumerate(lines) if n != number % len(lines)]
            deliver(place, b"".join([header, *some]))
            found.append(until(lambda before=before: os.readlink(link) != before, process))
    return sorted(found)


@dataclass(frozen=True)
class Cost:
    """The CPU time of a process in seconds, and its memory."""

    cpu_seconds: float
    resident_mb: float
    peak_mb: float

    @classmethod
    def of(cls, pid: int) -> Cost:
        """Return what a process has cost so far."""
        parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        kilobytes = [int(lines[name].split()[0]) for name in ("VmRSS", "VmHWM")]
        return cls((int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK"), *(n / 1024 for n in kilobytes))


def idle(root: Path, seconds: float) -> tuple[float, Cost]:
    """Return the share of a core that a watch takes while nothing comes, and what it has cost in all."""
    flights(root, 10)
    with watched(root) as process:
        time.sleep(10)
        before = Cost.of(process.pid)
        time.sleep(seconds)
        after = Cost.of(process.pid)
    return (after.cpu_seconds - before.cpu_seconds) / seconds, after


@dataclass
class Storm:
    """Senders who write, finish, repeat, rename and delete files, by chance; and what must come of it."""

    root: Path
    chance: random.Random
    days: int = 40
    #: The files that are complete and there, by number, each with its path.
    there: dict[int, Path] = field(default_factory=dict)
    #: Those that were begun, and are to be finished or never.
    begun: dict[int, Path] = field(default_factory=dict)
    number: int = 0

    def act(self) -> None:
        """Do one thing that senders do; a new file mostly."""
        what = self.chance.choices(
            [self.whole, self.marked, self.half, self.finish, self.repeat, self.rename, self.delete],
            [40, 25, 12, 10, 4, 5, 4],
        )[0]
        what()

    def text(self, number: int) -> bytes:
        """Return the content of a file, which is its own."""
        rows = (f"{number * ROWS + n},{number}\n" for n in range(ROWS))
        return "".join(["id,file\n", *rows]).encode()

    def whole(self) -> None:
        """Rename a new file to its place."""
        self.number += 1
        self.there[self.number] = self.place(self.number)
        deliver(self.there[self.number], self.text(self.number))

    def marked(self) -> None:
        """Write a new file in its place, and then its marker."""
        self.number += 1
        path = self.single(self.number)
        path.write_bytes(self.text(self.number))
        self.there[self.number] = path
        path.with_name(f"{path.name}.done").touch()

    def half(self) -> None:
        """Write half of a new file; one of a source with markers may never be finished."""
        self.number += 1
        path = self.chance.choice([self.place, self.single])(self.number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.text(self.number)[:-9])
        self.begun[self.number] = path

    def finish(self, number: int | None = None) -> None:
        """Finish a file that was begun."""
        if self.begun:
            number = number or self.chance.choice(list(self.begun))
            path = self.there[number] = self.begun.pop(number)
            path.write_bytes(self.text(number))
            if path.parent.name == "marked":
                path.with_name(f"{path.name}.done").touch()

    def repeat(self) -> None:
        """Deliver what is there once more, under another name of the same day."""
        if found := self.several():
            number, path = found
            deliver(path.with_name(f"zz-again-{number}.csv"), self.text(number))

    def rename(self) -> None:
        """Give a file another name."""
        if found := self.several():
            number, path = found
            self.there[number] = path.with_name(f"{path.stem}-r.csv")
            path.rename(self.there[number])

    def delete(self) -> None:
        """Delete a file, and what repeats it."""
        if found := self.several():
            number, path = found
            path.unlink()
            path.with_name(f"zz-again-{number}.csv").unlink(missing_ok=True)
            del self.there[number]

    def several(self) -> tuple[int, Path] | None:
        """Return any file of a day with several."""
        numbers = [number for number, path in self.there.items() if path.parent.name != "marked"]
        number = self.chance.choice(numbers) if numbers else 0
        return (number, self.there[number]) if numbers else None

    def place(self, number: int) -> Path:
        """Return where a new file lies, of a day with several."""
        day = date(2024, 1, 1) + timedelta(number % self.days)
        return self.root / f"data/raw/settled/{day}/{number}.csv"

    def single(self, number: int) -> Path:
        """Return where a new file lies that is its day's only one."""
        path = self.root / f"data/raw/marked/{date(1990, 1, 1) + timedelta(number)}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def over(self) -> None:
        """Finish what blocks a day with several files; one with a marker may stay half for ever."""
        for number, path in list(self.begun.items()):
            if path.parent.name != "marked":
                self.finish(number)


def published(root: Path) -> dict[int, int]:
    """Return the rows of each file in the warehouse that analysts see."""
    code = "import duckdb, json, sys; con = duckdb.connect(sys.argv[1], read_only=True)\n"
    code += f"print(json.dumps(con.execute({ALL!r}).fetchall()))"
    said = subprocess.run(
        [sys.executable, "-c", code, root / "data/warehouse.duckdb"], check=True, capture_output=True
    ).stdout
    rows = json.loads(said)
    found = dict(rows)
    assert len(found) == len(rows), f"files are in both tables: {rows}"
    return found


def storm(root: Path, files: int, seconds: float, *, cool_down: int = 10, seed: int = 0) -> dict[str, object]:
    """Deliver so many files in bursts, and return what came of it; `faults` are none if all is as it must be."""
    for name, text in {
        "luigi.cfg": f"[etl]\nthreads = 1\nwatch_cool_down = {cool_down}\n",
        "contracts/all.py": CONTRACTS,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "data/raw/marked").mkdir(parents=True)
    found, faults = Storm(root, random.Random(seed)), []
    link = root / "data/warehouse/current"
    with watched(root) as process:
        begun = looked = time.monotonic()
        while found.number < files:
            for _ in range(found.chance.randrange(1, max(20, files // 20))):
                found.act()
            # what is never finished looks finished once it has settled
            found.over()
            due = begun + seconds * found.number / files
            time.sleep(max(0.0, due - time.monotonic()))
            if link.exists() and time.monotonic() > looked + 5:
                looked = time.monotonic()
                faults += [f"{n} has {rows} rows" for n, rows in published(root).items() if rows != ROWS]
        wanted = dict.fromkeys(found.there, ROWS)
        until(
            lambda: (time.sleep(0.5), link.exists() and wanted.keys() <= published(root).keys())[1], process, 600
        )
        # a slow machine has time for more runs
        elapsed = time.monotonic() - begun
    runs = (root / "watch.log").read_bytes().count(b"begins a run")
    # what was deleted, the night says; a run that the watch began goes on without it
    own = dict(os.environ, ETL_PROJECT=str(root), PYTHONPATH=str(REPOSITORY))
    while code := subprocess.run([*ETL, "run"], cwd=root, env=own, capture_output=True).returncode:
        if code != UNDER_WAY:
            raise SystemExit(f"The last night ended with {code}. See the logs in {root}.")
        time.sleep(1)
    seen = published(root)
    faults += [f"{n} is not published as it should be" for n in seen.keys() ^ wanted.keys()]
    most = int(elapsed / cool_down) + 2
    faults += [f"{runs} runs, {most} at the most"] if runs > most else []
    return {"files": found.number, "complete": len(wanted), "seconds": elapsed, "runs": runs, "faults": faults}


def main() -> int:
    """Print the figures; return 1 if something is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["latency", "idle", "storm"])
    parser.add_argument("--arrivals", type=int, default=200)
    parser.add_argument("--cool-down", type=int, default=1)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        root.mkdir()
        if options.what == "latency":
            times = latency(root, options.arrivals, options.cool_down)
            middle, late = times[len(times) // 2], times[int(len(times) * 0.95)]
            print(f"{len(times)} arrivals: median {middle:.2f} s, p95 {late:.2f} s, longest {times[-1]:.2f} s")
            return int(late > 2)
        if options.what == "idle":
            share, cost = idle(root, options.seconds)
            print(f"{share:.3%} of a core, {cost.resident_mb:.0f} MB, {cost.peak_mb:.0f} MB at the most")
            return int(share > 0.001 or cost.resident_mb > 60)
        said = storm(root, options.files, options.seconds, seed=options.seed)
        print({**said, "faults": said["faults"][:10]})
        return int(bool(said["faults"]))


if __name__ == "__main__":
    sys.exit(main())
