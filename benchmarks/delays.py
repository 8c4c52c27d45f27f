"""How well delays can be told two hours before: the honest figures, by days that training has not seen.

    python benchmarks/delays.py

The project is `examples/delays` with the flights of 2013. Each model learns from those to August and is judged by
those of November and December; the months between are left to choose by. The base rate is that of the months of
training. A random split is made only if it is asked for by name: it shows how much it flatters.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from features import file_of, prepared
from processes import REPOSITORY

UNTIL, FIRST, END = date(2013, 9, 1), date(2013, 11, 1), date(2014, 1, 1)
SCHEDULE = ["hour_local", "weekday", "distance_miles"]


def main() -> None:
    """Print the table of models and what each is worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="keep everything in this folder")
    parser.add_argument("--random-split", action="store_true", help="add a row by a random split, which flatters")
    options = parser.parse_args()
    sys.path.insert(0, str(REPOSITORY))
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        prepared(work, date(2013, 12, 31))
        print("| model | log loss | AUC |")
        print("| --- | ---: | ---: |")
        for name, loss, auc in figures(work, options.random_split):
            print(f"| {name} | {loss:.3f} | {auc:.3f} |")


def figures(work: Path, is_random: bool) -> Iterator[tuple[str, float, float]]:
    """Yield each model with its log loss and its AUC."""
    from etl import engine
    from etl.models.trained import read_learned
    from etl.project import load_project
    from etl.stages.trained import Rows, Trainer, judged

    project = load_project(work / "project")
    learned = read_learned(REPOSITORY / "examples/delays")["delay"]
    with engine.reading(project, file_of(work)) as con, Trainer.of(learned) as trainer:
        rows = Rows(con, learned)
        seen, judging = rows.before(UNTIL), rows.between(FIRST, END)
        numbers = trainer.module.NUMBERS

        def boosted(columns: list[str]) -> Callable[[Any, Any], Any]:
            def told(train: Any, test: Any) -> Any:
                trainer.module.NUMBERS = columns
                model = trainer.module.train(train, learned.params, lambda *_: None)
                return trainer.module.predict(model, test)

            return told

        models: dict[str, Callable[[Any, Any], Any]] = {
            "base rate": lambda train, test: [train[learned.label].mean()] * len(test),
            "schedule only (LightGBM)": boosted(SCHEDULE),
            "logistic regression": lambda train, test: logistic(train, test, numbers, learned.label),
            "LightGBM, as in `ml/delay.py`": boosted(numbers),
        }
        splits = {name: (model, seen, judging) for name, model in models.items()}
        if is_random:
            every = rows.between(date(2013, 1, 1), END).sample(frac=1, random_state=1)
            half = len(seen)
            splits["LightGBM by a random split"] = (
                boosted(numbers),
                every[:half],
                every[half : half + len(judging)],
            )
        for name, (model, train, test) in splits.items():
            said = model(train, test)
            truth = test[learned.label]
            yield name, judged("log_loss", truth, said), -judged("auc", truth, said)


def logistic(train: Any, test: Any, numbers: list[str], label: str) -> Any:
    """Return what a logistic regression says, with medians for what is not known, and columns that tell so."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True), StandardScaler(), LogisticRegression(max_iter=1000)
    )
    model.fit(train[numbers].astype("float64"), train[label].astype(int))
    return model.predict_proba(test[numbers].astype("float64"))[:, 1]


if __name__ == "__main__":
    main()
