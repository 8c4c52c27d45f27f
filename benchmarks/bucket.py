"""A bucket of many objects: copied by the first fetch, only listed by the next; and of four times as many.

python -m benchmarks.bucket [OBJECTS]

The server is in a process of its own, on this machine. A fetch is a process too: its CPU seconds beyond those of a
fetch of one object, and its peak memory.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any

CONTRACTS = """
import pandera.pandas as pa
from etl import *

class Sales(pa.DataFrameModel):
    id: int

sales = Source(contract=Sales, files="sales/*.csv", fetch={fetch})
"""


@dataclass(frozen=True)
class Took:
    """What a fetch took, and what it brought."""

    files: int
    cpu: float
    seconds: float
    peak_mb: float


def served(objects: int, pipe: Connection) -> None:
    """Serve a bucket until somebody asks to end; tell how to ask, and then how often it was asked for what."""
    from tests.support import google

    with google.bucket() as held:
        for number in range(objects):
            held.put(f"in/sales/{number:06}.csv", b"id\n%d\n" % number)
        pipe.send((held.declared(), dict(held.environment)))
        while pipe.recv():
            lists = sum(not one.strip().partition(f"/{held.name}")[2] for one in held.asked)
            pipe.send((lists, len(held.asked) - lists))
            held.asked.clear()


def fetched(root: str, environment: dict[str, str], pipe: Connection) -> None:
    """Fetch once, and tell what it took."""
    os.environ |= environment
    from etl.ledger import Ledger
    from etl.plan.definitions import definitions
    from etl.project import load_project
    from etl.stages.fetched import fetch

    project = load_project(Path(root))
    source = definitions(project, Ledger(project.ledger))[0].sources["sales"]
    before, began = _cpu(), perf_counter()
    found = fetch(project, source, date(2024, 3, 1))
    took = Took(len(found.files), _cpu() - before, perf_counter() - began, _peak_mb())
    pipe.send(took)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _peak_mb() -> float:
    """Return the largest resident set of this program alone, without that of whoever started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def ask(target: Any, *arguments: Any) -> tuple[Any, Connection]:
    """Start a function in a program of its own, and return what it tells first."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    context.Process(target=target, args=(*arguments, theirs), daemon=True).start()
    return ours.recv(), ours


def measured(objects: int) -> None:
    """Print a line for each of two fetches of a bucket."""
    with tempfile.TemporaryDirectory() as folder:
        (declared, environment), server = ask(served, objects)
        root = Path(folder)
        (root / "contracts").mkdir()
        (root / "contracts/sales.py").write_text(CONTRACTS.format(fetch=declared))
        (root / "sql").mkdir()
        (root / "luigi.cfg").write_text("[etl]\n")
        for what in ("all new", "as it was"):
            took, _ = ask(fetched, str(root), environment)
            server.send(True)
            lists, gets = server.recv()
            assert took.files == gets == (objects if what == "all new" else 0)
            print(
                f"{objects:,} objects, {what}: {lists} lists, {gets:,} downloads; CPU {took.cpu:.2f} s "
                f"({1e6 * took.cpu / objects:,.0f} us an object), {took.seconds:.1f} s, {took.peak_mb:.0f} MB",
                flush=True,
            )
        server.send(False)


if __name__ == "__main__":
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    for count in (1, most // 4, most):
        measured(count)
