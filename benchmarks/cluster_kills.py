"""The proof by killing of an executor: nights whose deliveries and models workers make, while these die.

    python benchmarks/cluster_kills.py --executor processes://2 --kills 500 --minutes 60

As soak.py, whose deliveries change and whose hashes decide. A kill is SIGKILL to a worker, to the run, or to all.
A night of which a worker was lost has to end by itself with exit code 0; after one that was killed, the next has
to; and what is published must be what a project without an executor publishes. `dask` begins a cluster of two
workers, which Dask begins again; workers of `spark://local-cluster` are begun again by Spark. With `--files`, the
partitions of models are files, which jobs make, and runs are killed while they take them in. Exit code 0 if all of
that holds.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cluster import CLUSTERS
from processes import REPOSITORY
from soak import DATE, LOST, Lane, Tally, children, compare, prepare

sys.path.insert(0, str(REPOSITORY))

from tests.support.hosts import DASK

#: What the command lines of workers say.
WORKERS = re.compile(rb"etl\.run\.jobs\.worker|pyspark/?\.?daemon|CoarseGrainedExecutorBackend|spawn_main")
WHOM = ("worker", "worker", "worker", "run", "all")


@dataclass
class Attacked(Lane):
    """A project whose nights have an executor; `cluster` is the process whose children are its workers, if any."""

    cluster: int = 0
    #: How often each was killed.
    killed: Counter[str] = field(default_factory=Counter)

    def start(self, workers: int) -> subprocess.Popen[bytes]:
        """Start a night, as the leader of a process group."""
        command = [sys.executable, "-m", "luigi", "--module", "etl", "Nightly", "--date", DATE]
        path = os.pathsep.join([str(REPOSITORY), str(CLUSTERS)])
        with (self.root / "night.log").open("wb") as log:
            return subprocess.Popen(
                [*command, "--workers", str(workers)],
                cwd=self.root,
                env={**os.environ, "PYTHONPATH": path},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def store_in_files(self) -> None:
        """Let models by date have files of partitions."""
        line = "-- materialized: incremental\n"
        for file in (self.root / "sql").rglob("*.sql"):
            file.write_text(file.read_text().replace(line, f"{line}-- storage: lake\n"))

    def attack(self, is_long: bool, tally: Tally) -> bool:
        """Kill something of a night at a random moment; return whether the night was done all the same."""
        process, whom = self.start(self.random.choice((1, 1, 2))), self.random.choice(WHOM)
        time.sleep(self.random.uniform(0.3, self.seconds[is_long]))
        while whom == "worker" and process.poll() is None and not self._workers(process.pid):
            time.sleep(0.05)
        if process.poll() is None:
            self._kill(process, whom)
            tally.kills += 1
            self.killed[whom] += 1
        code = process.wait(timeout=600)
        if whom == "worker" and code:
            said = (self.root / "night.log").read_text()[-1500:]
            tally.note("nights lost with a worker", f"exit code {code}: {said}")
        return code == 0

    def _workers(self, pid: int) -> list[int]:
        return [one for root in (pid, self.cluster) if root for one in under(root) if WORKERS.search(line_of(one))]

    def _kill(self, process: subprocess.Popen[bytes], whom: str) -> None:
        found = self._workers(process.pid) if whom == "worker" else [process.pid]
        # orphans of Spark would hold what it holds
        below = under(process.pid) if whom == "all" else []
        for pid in [*([self.random.choice(found)] if found else []), *below]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def main() -> None:
    """Kill until there were enough kills or the time is up; exit 1 if anything was not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", default="processes://2", help="an address, or dask")
    parser.add_argument("--files", action="store_true", help="models by date have `storage: lake`")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, executor(options.executor) as (url, cluster):
        wanted, (lane,) = prepare(Path(folder), 1, seed)
        own = Attacked(lane.root, lane.texts, lane.random, lane.state, cluster=cluster)
        with (own.root / "luigi.cfg").open("a") as settings:
            settings.write(f"executor = {url}\n")
        if options.files:
            own.store_in_files()
        tally = Tally()
        disturb(own, wanted, tally, options.kills, time.monotonic() + options.minutes * 60)
    kinds = ("lost", "doubled", "other content", "nights lost with a worker", "left behind", "manual steps")
    print(
        f"{options.executor}: {tally.kills} kills ({dict(own.killed)}), {tally.nights} nights compared; "
        + ", ".join(f"{tally.counts[kind]} {kind}" for kind in kinds)
    )
    sys.exit(1 if tally.problems or tally.kills < options.kills else 0)


def disturb(
    lane: Attacked, wanted: dict[str, dict[str, list[object]]], tally: Tally, kills: int, end: float
) -> None:
    """Kill in nights of one project, and look at what they, or the next one, make of it."""
    while tally.kills < kills and time.monotonic() < end:
        lost = lane.random.choice(LOST[4:])
        lane.deliver()
        lane.forget(lost)
        done = False
        for _ in range(lane.random.choice((1, 1, 2, 4))):
            done = lane.attack(bool(lost), tally)
        if not done and (problem := lane.finish(is_long=bool(lost))):
            tally.note("manual steps", problem)
            continue
        tally.nights += 1
        compare(lane.content(), wanted[str(lane.state)], tally)
        for path in lane.leftovers():
            tally.note("left behind", path)
        if tally.nights % 10 == 0:
            print(f"{tally.kills} kills, {len(tally.problems)} problems", flush=True)


@contextmanager
def executor(named: str) -> Iterator[tuple[str, int]]:
    """Give the address of an executor, and the process under which its workers are if the run begins none."""
    if named != "dask":
        yield named, 0
        return
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(CLUSTERS)])}
    pipe, command = subprocess.PIPE, [sys.executable, "-c", DASK]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        assert process.stdin and process.stdout
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.stdin.close()


def under(pid: int) -> list[int]:
    """Return the processes under a process."""
    return [found for child in children(pid) for found in (child, *under(child))]


def line_of(pid: int) -> bytes:
    """Return the command line of a process; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except OSError:
        return b""


if __name__ == "__main__":
    main()
