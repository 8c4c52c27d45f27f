"""An environment and one changed model in it, beside a full build; and a promotion: is it the same bytes?

    python benchmarks/environments.py --rounds 3

The flights of 2013, as `benchmarks/flights.py` has them. In each round the year is built from nothing, contracts
compiled; then come an environment, a changed mart, a night there, and the promotion of its generation.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from statistics import median
from time import perf_counter

from processes import forget_runs

REPOSITORY = Path(__file__).resolve().parent.parent
OTHER_DOMAIN = shutil.ignore_patterns("*orders*", "*items*", "*sites*", "__pycache__")
MART, OLD, NEW = "sql/marts/route_daily.sql", "avg(dep_delay_minutes)", "median(dep_delay_minutes)"


def main() -> None:
    """Print the seconds of each round, and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--until", type=date.fromisoformat, default=date(2013, 12, 31))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        make(root, options.until)
        luigi(root, "Nightly")
        rounds = [measure(root) for _ in range(options.rounds)]
    full, created, built, promoted = (median(times) for times in zip(*rounds, strict=True))
    print(f"full build {full:.2f} s; env create {created:.2f} s, night with one changed mart {built:.2f} s")
    print(f"env create and the night / full build: {(created + built) / full:.2f} (goal: 1/3)")
    print(f"promotion {promoted:.2f} s, the same bytes")


def make(root: Path, until: date) -> None:
    """Write the project and its deliveries."""
    sys.path.insert(0, str(REPOSITORY))
    from etl.operations.sample_flights import deliver

    shutil.copytree(REPOSITORY / "contracts", root / "contracts", ignore=OTHER_DOMAIN)
    shutil.copytree(REPOSITORY / "sql", root / "sql", ignore=OTHER_DOMAIN)
    (root / "luigi.cfg").write_text("[etl]\n")
    deliver(root / "data/raw", until)


def measure(root: Path) -> tuple[float, float, float, float]:
    """Return the seconds of a full build, of an environment, of one changed mart in it, and of a promotion."""
    shutil.rmtree(root / "data/environments", ignore_errors=True)
    forget_runs(root / "data", everything=False)
    full = luigi(root, "Nightly")
    created = run(root, ["etl", "env", "create", "dev"])
    mart = root / MART
    text = mart.read_text()
    assert OLD in text
    mart.write_text(text.replace(OLD, NEW))
    built = luigi(root, "Nightly", ETL_ENV="dev")
    promoted = luigi(root, "Promoted", "--source-env", "dev", "--target-env", "prod")
    mart.write_text(text)
    hashes = {digest(root / name) for name in ("data/warehouse.duckdb", "data/environments/dev/warehouse.duckdb")}
    assert len(hashes) == 1, "what was promoted is something else"
    print(f"full {full:.2f}, create {created:.2f}, one mart {built:.2f}, promote {promoted:.2f}", flush=True)
    return full, created, built, promoted


def luigi(root: Path, *arguments: str, **env: str) -> float:
    """Run a task; return its seconds."""
    return run(root, ["luigi", "--module", "etl", *arguments], **env)


def run(root: Path, command: list[str], **env: str) -> float:
    """Run a command of the package, which must succeed; return its seconds."""
    started = perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return perf_counter() - started


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
