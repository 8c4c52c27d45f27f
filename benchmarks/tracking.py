"""Thirty trainings with their curves, kept by the ledger and by MLflow; and what `etl[ml]` takes on a disk.

    python benchmarks/tracking.py --rounds 3 --sizes

Each training has 20 parameters, three results, and three curves of a hundred steps. The ledger keeps each in a
transaction of its own, as `etl tune` does. MLflow has a store in SQLite, in an environment of its own, and gets
the steps of a training together, or one call for each step as its examples do. Each is a process of its own, from
its start to its end, which makes its store first. What was kept is counted in the end.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from figures import report
from processes import REPOSITORY, TOLD, environment, measure, peer, tell

PACKAGES = ["mlflow-skinny", "sqlalchemy", "alembic"]
WORKLOAD = "30 trainings, 300 points each"
TRAININGS, STEPS, CURVES = 30, 100, 3
ETL = f"""
import sys
from pathlib import Path
from etl.ledger import Ledger, now
from etl.ledger.experiments import Experiment, write

ledger = Ledger(Path(sys.argv[1]))
for number in range({TRAININGS}):
    one = Experiment(
        experiment_id=str(number), model="delay", origin="tune", started_at=now(),
        params={{f"p{{at}}": at / 7 for at in range(20)}},
        metrics={{f"m{{at}}": at / 7 for at in range({CURVES})}},
    )
    write(ledger, one, [(f"c{{at}}", step, step / 7) for at in range({CURVES}) for step in range({STEPS})])
"""
MLFLOW = f"""
import sys
from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

client = MlflowClient(f"sqlite:///{{sys.argv[1]}}")
experiment = client.create_experiment("delay")
for number in range({TRAININGS}):
    run = client.create_run(experiment).info.run_id
    params = [Param(f"p{{at}}", str(at / 7)) for at in range(20)]
    results = [Metric(f"m{{at}}", at / 7, 1, 0) for at in range({CURVES})]
    steps = [[Metric(f"c{{at}}", step / 7, 1, step) for at in range({CURVES})] for step in range({STEPS})]
    if sys.argv[2] == "together":
        client.log_batch(run, params=params, metrics=[*results, *(one for each in steps for one in each)])
    else:
        client.log_batch(run, params=params, metrics=results)
        for each in steps:
            client.log_batch(run, metrics=each)
    client.set_terminated(run)
"""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "WARNING"}


def main() -> None:
    """Print what was measured, and how many points each store has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true", help="etl alone")
    parser.add_argument("--sizes", action="store_true", help="install etl and etl[ml], and weigh them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        mlflow = None if options.no_peers else peer(work / "mlflow", PACKAGES, "python")
        said: list[str] = []
        for number in range(options.rounds):
            said = list(measured(work / str(number), f"round {number + 1}", mlflow))
        if options.sizes:
            said += weighed(work)
        print(report(TOLD, said))


def measured(folder: Path, when: str, mlflow: Path | None) -> Iterator[str]:
    """Have each keep the trainings; yield what it has then."""
    folder.mkdir()
    asked = [("etl", [sys.executable, "-c", ETL], [], "select count(*) from curves")]
    if mlflow:
        python = [f"{mlflow}/bin/python", "-c", MLFLOW]
        count = "select count(*) from metrics where key like 'c%'"
        asked += [(f"mlflow, steps {how}", python, [how], count) for how in ("together", "one by one")]
    for name, command, arguments, count in asked:
        store = folder / f"{name}.db"
        tell(when, WORKLOAD, name, measure(name, [*command, str(store), *arguments], QUIET))
        with closing(sqlite3.connect(store)) as con:
            ((points,),) = con.execute(count).fetchall()
        yield f"{name} keeps {points:,} points in {store.stat().st_size / 1e6:.1f} MB."


def weighed(work: Path) -> list[str]:
    """Return what the libraries of `etl` and of `etl[ml]` take on a disk, without compiled files."""
    sizes = {}
    for extra in ("", "[ml]"):
        constraints = ["--constraint", str(REPOSITORY / "constraints.txt"), "--no-compile"]
        made = environment(work / f"etl{extra}", [*constraints, f"{REPOSITORY}{extra}"])
        files = [path for path in (made / "lib").rglob("*") if path.is_file() and not path.is_symlink()]
        sizes[extra] = sum(path.stat().st_size for path in files if path.suffix != ".pyc")
    more = sizes["[ml]"] - sizes[""]
    return [f"etl and its libraries take {sizes[''] / 1e6:.0f} MB, and etl[ml] {more / 1e6:.0f} MB more."]


if __name__ == "__main__":
    main()
