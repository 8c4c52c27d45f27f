"""Two sessions write to a table of PostgreSQL in every order while it is fetched by its cursor: who loses rows?

    python benchmarks/cursors.py --tried 10000 [--dlt 100] [--seed 0]

Late commits, equal stamps, rollbacks, changes during a fetch; see tests/support/interleavings.py. `etl` fetches
with its defaults, and with an overlap of 0; dlt (in an environment of its own) with its default, and with a lag of
an hour. After the last commit all fetch once more; what the merged table then lacks, or holds as it was, counts.
What happens during a fetch of dlt is done after it, to its advantage. It needs PostgreSQL, which it starts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from processes import environment

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))
HOUR = 3600


class Dlt:
    """dlt in a process of its own, which merges into a DuckDB file."""

    def __init__(self, python: Path, dsn: str, lag: int) -> None:
        command = [str(python), str(REPOSITORY / "benchmarks/cursors_dlt.py"), dsn, str(lag)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def new(self) -> Dlt:
        """Begin with nothing."""
        self._ask("new")
        return self

    def fetch(self, during: Callable[[], None]) -> None:
        """Run the pipeline."""
        self._ask("fetch")
        during()

    def held(self) -> dict[int, int]:
        """Return what was loaded. A key that is there twice is an error of its own."""
        rows = self._ask("held")
        assert len(rows) == len(dict(rows)), "rows are doubled after the merge"
        return dict(rows)

    def _ask(self, what: str) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def main() -> None:
    """Print a table of who lost how much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tried", type=int, default=1_000)
    parser.add_argument("--dlt", type=int, default=0, help="how many of them dlt fetches, too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="where dlt's environment is kept")
    options = parser.parse_args()
    print("| who | interleavings | of them with lost or stale rows | such rows | seconds |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for who, tried, losses, seconds in _measured(options, options.work or Path(folder), Path(folder)):
            wrong = [found for found in losses if found]
            print(
                f"| {who} | {tried:,} | {len(wrong):,} | {sum(map(len, wrong)):,} | {seconds:,.0f} |", flush=True
            )


def _measured(options: Any, work: Path, folder: Path) -> Iterator[tuple[str, int, list[set[int]], float]]:
    import psycopg

    from etl.sources.fetches.database import Table
    from etl.stages.fetched.kinds import database
    from tests.support.cursors import Reader
    from tests.support.interleavings import CREATE, Program, lost
    from tests.support.servers import Server, postgresql_server

    port = postgresql_server(folder)
    if port is None:
        sys.exit("PostgreSQL is not installed: apt-get install postgresql")
    os.environ["SHOP_DSN"] = dsn = Server("postgresql", port, "postgres").dsn
    sessions = [psycopg.connect(dsn, autocommit=True) for _ in range(2)]
    sessions[0].execute(CREATE.encode())

    def measured(who: str, tried: int, reader: Callable[[], Any]) -> tuple[str, int, list[set[int]], float]:
        began = time.monotonic()
        seeds = range(options.seed, options.seed + tried)
        return who, tried, [lost(Program(s).steps, sessions, reader()) for s in seeds], time.monotonic() - began

    with database.together() as kept:
        table = Table("SHOP_DSN", "items", cursor="updated_at")
        yield measured("etl", options.tried, lambda: Reader(table, kept))
        bare = Table("SHOP_DSN", "items", cursor="updated_at", late_commits="never")
        yield measured("etl, told that no commit is late", min(options.tried, 1_000), lambda: Reader(bare, kept))
    if options.dlt:
        packages = ["dlt[duckdb,sql_database]", "sqlalchemy", "psycopg2-binary", "pyarrow"]
        python = environment(work / "dlt-environment", packages) / "bin/python"
        for who, lag in (("dlt", 0), ("dlt, lag of an hour", HOUR)):
            found = Dlt(python, dsn.replace("postgresql:", "postgresql+psycopg2:"), lag)
            yield measured(who, options.dlt, found.new)
            found.process.kill()


if __name__ == "__main__":
    main()
