"""Whole processes, measured: what the benchmarks have in common. It imports neither duckdb nor etl.

The peak memory of a child includes what its parent held when it was started.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

REPOSITORY = Path(__file__).resolve().parent.parent
#: Delivers the flights of the sample to a folder, up to a day.
DELIVER_FLIGHTS = """
import sys; from datetime import date; from pathlib import Path; from etl.operations.sample_flights import deliver
deliver(Path(sys.argv[1]), date.fromisoformat(sys.argv[2]))
"""
VERSIONS = """
import sys; from importlib.metadata import version
print(', '.join(f'{name} {version(name)}' for name in sys.argv[1:]))
"""


@dataclass(frozen=True)
class Measurement:
    """One process: wall clock, the time of all its threads, its largest resident set, what it wrote."""

    seconds: float
    peak_mb: float
    cpu_seconds: float = 0.0
    output: str = ""


def measure(
    name: str, command: Sequence[str], variables: Mapping[str, str] | None = None, allowed: Sequence[int] = (0,)
) -> Measurement:
    """Run a command to its end; exit with the end of its output if it ends with a code that is not allowed."""
    with tempfile.TemporaryFile() as output:
        started = perf_counter()
        environment = os.environ | dict(variables or {})
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode not in allowed:
        tail = "\n".join(text.splitlines()[-40:])
        sys.exit(f"{tail}\n{name} ended with {process.returncode}: {' '.join(command)[:2000]}")
    # Linux counts in KiB, macOS in bytes
    peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return Measurement(seconds, peak, usage.ru_utime + usage.ru_stime, text)


#: What this process has measured: a row for each time.
TOLD: list[dict[str, object]] = []


def tell(when: str, workload: str, name: str, measurement: Measurement) -> None:
    """Say what was measured, and keep it; add it to the file that ETL_BENCH names, one JSON object a line."""
    row = {"workload": workload, "name": name, **asdict(measurement)}
    del row["output"]
    TOLD.append(row)
    seconds = f"{measurement.seconds:.2f} s, CPU {measurement.cpu_seconds:.2f} s, {measurement.peak_mb:.0f} MB"
    print(f"{when}, {workload}, {name}: {seconds}", file=sys.stderr, flush=True)
    if file := os.environ.get("ETL_BENCH"):
        with Path(file).open("a", encoding="utf-8") as rows:
            rows.write(json.dumps(row) + "\n")


def peer(folder: Path, packages: Sequence[str], program: str) -> Path | None:
    """Return an environment of a contestant; None, and say so, if it cannot be installed here."""
    try:
        return environment(folder, packages, program)
    except subprocess.CalledProcessError:
        print(f"left out, since it cannot be installed here: {', '.join(packages)}", file=sys.stderr, flush=True)
        return None


def environment(folder: Path, packages: Sequence[str], program: str = "python") -> Path:
    """Return a virtual environment with `packages`, which want other versions than etl; made once per folder."""
    done = folder / ".installed"
    if not done.exists() or not (folder / "bin" / program).exists():
        print(f"making an environment for {', '.join(packages)} ...", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "--disable-pip-version-check", *packages], check=True)
        done.touch()
    return folder


def python(code: str, *arguments: str, interpreter: str = sys.executable) -> str:
    """Run a piece of Python and return what it prints."""
    done = subprocess.run([interpreter, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def default_project(root: Path, settings: str) -> None:
    """Write the project that this repository is, with its orders but without flights, and settings of its own."""
    shutil.copytree(REPOSITORY / "contracts", root / "contracts", ignore=shutil.ignore_patterns("__*"))
    shutil.copytree(REPOSITORY / "sql", root / "sql")
    (root / "luigi.cfg").write_text(f"[etl]\n{settings}")
    raw = REPOSITORY / "data/raw"
    for path in [raw / "items.csv", raw / "sites.csv", *raw.glob("orders/*")]:
        target = root / "data/raw" / path.relative_to(raw)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def empty_ledger(ledger: Path) -> None:
    """Leave nothing in a project's ledger but its cache of compiled contracts and parsed models."""
    with closing(sqlite3.connect(ledger)) as con, con:
        query = "select name from sqlite_master where type = 'table' and name <> 'cache'"
        for (table,) in con.execute(query).fetchall():
            con.execute(f'delete from "{table}"')


def forget_runs(data: Path, everything: bool) -> None:
    """Undo every run of a project; what it has compiled goes too, if that is said."""
    (data / "warehouse.duckdb").unlink(missing_ok=True)
    for folder in ("lake", "quarantine", "warehouse"):
        shutil.rmtree(data / folder, ignore_errors=True)
    if everything:
        for path in data.glob("ledger.sqlite*"):
            path.unlink()
    elif (data / "ledger.sqlite").exists():
        empty_ledger(data / "ledger.sqlite")
