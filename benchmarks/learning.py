"""What a night costs with a model that learns, in a month in which it does not learn again, beside one without.

    python benchmarks/learning.py --rounds 5

The project is `examples/delays` with the flights of 2013 up to the middle of June; the other one is the same
without `ml/`. Both take one new day after another, turn by turn, in processes of their own; the model in use
predicts each new day, and no more. Then a night finds nothing new. It needs `pip install 'etl[sample,ml]'`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from figures import PRODUCT, report
from processes import DELIVER_FLIGHTS, REPOSITORY, TOLD, measure, python, tell

FIRST = date(2013, 6, 15)
WITH, WITHOUT = PRODUCT, "the same without ml/"
NEW, NOTHING = "one new day", "nothing new"


def main() -> None:
    """Print what the nights took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="new days, of which June has 15")
    parser.add_argument("--work", type=Path, help="keep everything in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        roots = prepared(options.work or Path(folder))
        for number in range(1, options.rounds + 1):
            day = FIRST + timedelta(number)
            for workload in (NEW, NOTHING):
                for name, root in roots.items() if number % 2 else reversed(roots.items()):
                    if workload == NEW:
                        deliver(root, day)
                    tell(f"round {number}", workload, name, measure(name, *night(root, day)))
        print(report(TOLD, [predicted(roots[WITH])]))


def prepared(work: Path) -> dict[str, Path]:
    """Publish both projects up to the first day; return their folders."""
    roots = {WITH: work / "with", WITHOUT: work / "without"}
    for name, root in roots.items():
        shutil.copytree(REPOSITORY / "examples/delays", root, ignore=shutil.ignore_patterns("data"))
        if name == WITHOUT:
            shutil.rmtree(root / "ml")
            rows = root / "sql/ml/delay_training.sql"
            rows.write_text("".join(x for x in rows.open() if " of training" not in x))
        deliver(root, FIRST)
        measure(name, *night(root, FIRST))
    return roots


def deliver(root: Path, until: date) -> None:
    """Have the flights up to a day in raw/."""
    python(DELIVER_FLIGHTS, str(root / "data/raw"), str(until))


def night(root: Path, day: date) -> tuple[list[str], dict[str, str]]:
    """Return the command of a night, and its environment."""
    command = [sys.executable, "-m", "luigi", "--module", "etl", "Nightly", "--date", str(day)]
    return command, {"ETL_PROJECT": str(root)}


def predicted(root: Path) -> str:
    """Return how many trainings there were, and which days the last night predicted."""
    import duckdb

    with duckdb.connect(str((root / "data/warehouse.duckdb").resolve()), read_only=True) as con:
        trained = con.execute("select count(distinct experiment_id) from ml.delay_decisions").fetchall()[0][0]
        days = con.execute("select max(flight_date), count(*) from ml.delay_predictions").fetchall()[0]
    return f"{trained} training; {days[1]:,} predictions up to {days[0]}"


if __name__ == "__main__":
    main()
