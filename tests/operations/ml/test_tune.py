"""Tuning: trials are kept, a search that was killed goes on the same, and what is found is a proposal."""

from contextlib import redirect_stdout
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigError, ModelError, PublishError, StepError
from etl.ledger import Ledger
from etl.ledger.experiments import TUNE, curves_of, of_model
from etl.operations.ml.proposal import proposal
from etl.operations.ml.search.found import beats
from etl.operations.ml.search.trials import Tried
from etl.operations.ml.tune import Asked, tune
from etl.project import Project
from etl.stages import published
from etl.tasks import Tuned
from tests.support import tiny

pytest.importorskip("optuna")

CONTRACTS = """
import pandera.pandas as pa
from etl import Source

class Visits(pa.DataFrameModel):
    id: int
    age: int
    bought: int

visits = Source(contract=Visits, files="visits/{date}.csv", partition="visit_date")
"""
#: Guesses the share of those who buy: three in ten do, and another share is worse the farther it is from that.
MODEL = '''
"""Who buys."""

FEATURES = "ml.training"
LABEL = "bought"
KEY = ["id"]
TIME = "visit_date"
HELD_OUT = "10 days"
SEED = 3
PARAMS = {"share": 0.9, "other": "kept"}
SPACE = {"share": ("float", 0.05, 0.95)}


def train(rows, params, report):
    for step in range(1, 9):
        report(step, "log_loss", abs(params["share"] - 0.3) + 1 / step)
    return params["share"]


def predict(model, rows):
    return [model] * len(rows)
'''


def visits(day: date) -> str:
    rows = [f"{(day - date(2024, 1, 1)).days * 100 + n},{20 + n},{int(n % 10 < 3)}" for n in range(20)]
    return "\n".join(["id,age,bought", *rows]) + "\n"


def write_model(project: Project, text: str, name: str = "guess") -> None:
    (project.root / "ml").mkdir(exist_ok=True)
    (project.root / f"ml/{name}.py").write_text(text.lstrip())


def _published(root: Path) -> None:
    days = [date(2024, 1, 1) + timedelta(n) for n in range(64)]
    sql = {"ml/training.sql": "select visit_date, id, age, bought from raw.visits"}
    project = tiny.project(root, CONTRACTS, sql, {f"visits/{day}.csv": visits(day) for day in days})
    tiny.night(project, days[-1])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Sixty-four days of visits of which three in ten buy, published, and a model that guesses how many."""
    made = tiny.once(tmp_path, _published)
    write_model(made, MODEL)
    return made


def tuned(project: Project, name: str = "guess", **asked: Any):
    return tune(project, Ledger(project.ledger), name, Asked(**asked))


@pytest.mark.parametrize("strategy", ["tpe", "random", "halving"])
def test_the_best_parameters_are_proposed_as_a_change_of_the_file(project: Project, strategy: str) -> None:
    learned, found = tuned(project, trials=12, strategy=strategy)
    assert found.current and found.chosen and found.is_better
    assert abs(found.chosen.params["share"] - 0.3) < 0.15 < abs(found.current.params["share"] - 0.3)

    text = proposal(learned, found.chosen.params)
    assert text.splitlines()[:2] == ["--- a/ml/guess.py", "+++ b/ml/guess.py"]
    assert '-PARAMS = {"share": 0.9, "other": "kept"}' in text
    assert f'+PARAMS = {{"share": {found.chosen.params["share"]!r}, "other": "kept"}}' in text
    assert (project.root / "ml/guess.py").read_text() == MODEL.lstrip()


@pytest.mark.parametrize("strategy", ["tpe", "random", "halving"])
def test_a_search_that_was_killed_goes_on_and_loses_at_most_the_running_trial(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    _, whole = tuned(project, trials=10, strategy=strategy)
    project.ledger.unlink()
    tried = 0

    def dying(text: str) -> None:
        nonlocal tried
        tried += 1
        if tried == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(project, Ledger(project.ledger), "guess", Asked(trials=10, strategy=strategy), dying)
    assert len(of_model(Ledger(project.ledger), "guess")) == 4

    _, resumed = tuned(project, trials=10, strategy=strategy)
    assert [(one.params, one.state, one.score) for one in resumed.trials] == [
        (one.params, one.state, one.score) for one in whole.trials
    ]


def test_trials_are_experiments_with_their_curves(project: Project) -> None:
    _, found = tuned(project, trials=9)
    kept = of_model(Ledger(project.ledger), "guess")
    assert len(kept) == len(found.trials) and {one.origin for one in kept} == {TUNE}
    assert kept[0].params == {"share": 0.9} and kept[0].rows == 800 and kept[0].cut_off == "2024-02-20"
    assert [step for step, _ in curves_of(Ledger(project.ledger), kept[0].experiment_id)["log_loss"]] == [
        *range(1, 9)
    ]
    pruned = [one for one in kept if one.verdict == "pruned"]
    assert all(len(curves_of(Ledger(project.ledger), one.experiment_id)["log_loss"]) < 8 for one in pruned)


def test_what_was_tried_is_known_and_shown_without_trying(project: Project) -> None:
    _, found = tuned(project, trials=6)
    _, again = tuned(project, trials=6)
    _, shown = tuned(project, is_looking=True)
    assert len(again.trials) == len(shown.trials) == len(found.trials)
    # other code is another search; other parameters of today are not
    write_model(project, MODEL.replace('"share": 0.9', '"share": 0.35'))
    assert len(tuned(project, is_looking=True)[1].trials) == len(found.trials)
    write_model(project, MODEL.replace("[model]", "[model + 0.0]"))
    assert not tuned(project, is_looking=True)[1].trials


def test_parameters_that_are_as_good_as_those_of_today_are_not_proposed(project: Project) -> None:
    write_model(project, MODEL.replace('"share": 0.9', '"share": 0.3'))
    _, found = tuned(project, trials=6)
    assert not found.is_better
    assert "The parameters of today are as good, so nothing is proposed." in [*found.sentences()]


def network(worth: str, cheap: str = "") -> str:
    """Return a model whose score is that of `worth`, an expression of its width; of few rows, that of `cheap`."""
    return (
        MODEL.replace('PARAMS = {"share": 0.9, "other": "kept"}', 'PARAMS = {"layers": (16, 16)}')
        .replace(
            'SPACE = {"share": ("float", 0.05, 0.95)}',
            'SPACE = {"layers": ("layers", 2, (4, 8, 16))}\nSEARCH = {"strategy": "halving", "rungs": [0.25, 1]}',
        )
        .replace(
            """    for step in range(1, 9):
        report(step, "log_loss", abs(params["share"] - 0.3) + 1 / step)
    return params["share"]
""",
            f"""    width, noise = sum(params["layers"]), (SEED * 7 + sum(params["layers"]) + 2) % 5 / 1000
    return {worth} if len(rows) > 400 else {cheap or worth}


def complexity(params):
    return sum(a * b for a, b in zip(params["layers"], (*params["layers"][1:], 1)))
""",
        )
    )


def test_where_no_topology_is_better_than_another_it_says_so_and_takes_the_simplest(project: Project) -> None:
    write_model(project, network("0.3 + noise").replace("[0.25, 1]", "[1]"))
    _, found = tuned(project, trials=9)
    assert found.chosen and found.chosen.params == {"layers": (4,)} and found.chosen.complexity == 4
    said = [*found.sentences()]
    made = "other seeds and other days make as much of a difference"
    assert said[0] == f"None is better than another: {made}; the simplest of them is chosen."
    assert not found.is_better


def test_a_topology_that_is_better_is_found_and_cheap_trials_that_mislead_are_told(project: Project) -> None:
    write_model(project, network("0.3 + abs(width - 24) / 60", "0.9 - width / 100"))
    learned, found = tuned(project, trials=9)
    assert found.current and found.current.params == {"layers": (16, 16)}
    assert found.chosen and sum(found.chosen.params["layers"]) == 24 and found.is_better
    assert found.compared >= 4 and found.proxy is not None
    assert f"The rank correlation of cheap and full trials is {found.proxy:+.2f}" in "".join(found.sentences())
    assert {one.share for one in found.trials} == {0.25, 1.0}
    assert '+PARAMS = {"layers": (16, 8)}' in proposal(learned, found.chosen.params)


def test_the_pareto_table_has_what_none_beats_in_score_and_complexity(project: Project) -> None:
    write_model(project, network("0.3 + 1 / width").replace('"rungs": [0.25, 1]', '"rungs": [1]'))
    _, found = tuned(project, trials=9)
    scores = [(one.score, one.complexity) for one in found.pareto]
    assert scores == sorted(scores) and [c for _, c in scores] == sorted((c for _, c in scores), reverse=True)
    beaten = [
        one
        for one in found.trials
        if one.is_full and any(s < one.score and c < one.complexity for s, c in scores)  # type: ignore[operator]
    ]
    assert not {id(one) for one in beaten} & {id(one) for one in found.pareto}


def test_a_trial_that_fails_is_kept_and_the_search_goes_on(project: Project) -> None:
    write_model(
        project, MODEL.replace("    for step", '    assert params["share"] > 0.4, "too small"\n    for step')
    )
    _, found = tuned(project, trials=10)
    failed = [one for one in found.trials if one.state == "failed"]
    assert failed and len(found.trials) >= 10 and found.chosen and found.chosen.params["share"] > 0.4
    assert failed[0].why == "The model guess failed: ml/guess.py:14: AssertionError: too small."


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('SPACE = {"share": ("float", 0.05, 0.95)}', "", r"SPACE is empty\. Declare a parameter"),
        ('("float", 0.05', '("flot", 0.05', r"ml/guess\.py:10: SPACE: share is \('flot', .* Write it as one of"),
        ("0.05, 0.95", "0.95, 0.05", r"SPACE: share is .* Write it as \(\"float\", LOW, HIGH\)"),
        (
            "SPACE =",
            'SEARCH = {"strategi": "tpe"}\nSPACE =',
            r"SEARCH: there is no key strategi\. Did you mean strategy",
        ),
        (
            "SPACE =",
            'SEARCH = {"strategy": "grid"}\nSPACE =',
            "strategy 'grid' is not one of tpe, random, halving",
        ),
        ('LABEL = "bought"', 'LABEL = "bougt"', r"ml/guess\.py:4: LABEL: ml\.training has no column bougt"),
        ('"ml.training"', '"ml.trainig"', r"FEATURES: what is published has no table ml\.trainig"),
        ("SEED = 3", 'SEED = "3"', r"ml/guess\.py:8: SEED is '3'\. Write it as a whole number\."),
        ("SEED = 3", "SEDE = 3", r"ml/guess\.py:8: nothing reads SEDE\. Did you mean SEED"),
        ("TIME =", "TIMES = 1\nTIME2 =", "nothing reads TIME"),
        ("rows, params, report", "rows, params", r"ml/guess\.py:13: train takes \(rows, params\)\. Write it as"),
        ("def predict", "def predicts", r"the file has no function `def predict\(model, rows\)`\. Add it"),
        ('"10 days"', '"40 days"', r"has 0 rows before 2023-12-12 to train by"),
        ("return [model]", "return [model, 1] ", r"ml/guess\.py: ValueError: predict\(\) returned"),
        ("return params", "return 1 / 0 + params", r"ml/guess\.py:16: ZeroDivisionError: division by zero"),
    ],
)
def test_what_cannot_be_tuned_says_where_and_why(project: Project, right: str, wrong: str, said: str) -> None:
    write_model(project, MODEL.replace(right, wrong))
    with pytest.raises((ConfigError, ModelError, StepError), match=said):
        tuned(project, trials=3)


def test_a_model_that_is_not_there_is_named_with_the_one_that_was_meant(project: Project, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no model gues in ml/\. Did you mean guess\?"):
        tuned(project, "gues")
    other = tiny.project(tmp_path / "other")
    write_model(other, MODEL)
    with pytest.raises(PublishError, match="Nothing is published yet"):
        tuned(other)


@given(
    days=st.lists(st.tuples(st.floats(-1, 1), st.integers(1, 50)), min_size=5, max_size=40),
    gain=st.floats(0.001, 1),
)
def test_what_is_better_on_every_day_is_better_and_what_is_so_on_some_is_not(
    days: list[tuple[float, int]], gain: float
) -> None:
    def trial(losses: list[tuple[float, int]]) -> Tried:
        rows = sum(many for _, many in losses)
        return Tried(params={}, score=sum(lost for lost, _ in losses) / rows, days=tuple(losses))

    worse = trial(days)
    better = trial([(lost - gain * many, many) for lost, many in days])
    assert beats(better, worse, 0.0) and not beats(worse, better, 0.0)
    assert not beats(better, worse, 2 * gain)
    # all of it is of one day
    lucky = trial([(days[0][0] - gain, days[0][1]), *days[1:]])
    assert not beats(lucky, worse, 0.0)


def test_the_task_is_complete_when_all_was_tried(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    task = Tuned(name="guess", trials=5)
    assert not task.complete() and not task.output().exists()
    assert task.output().params == {"share": 0.9, "other": "kept"} and task.output().change == ""
    tuned(project, trials=4)
    assert not task.complete()
    task.run()
    assert task.complete() and task.output().exists()
    assert abs(task.output().params["share"] - 0.3) < 0.2 and "+PARAMS" in task.output().change
    assert not Tuned(name="guess", trials=6).complete()


def test_rows_are_in_the_order_of_their_key_and_name_their_generation(project: Project) -> None:
    text = MODEL.replace(
        "    for step", "    print(rows.attrs, list(rows.id) == sorted(rows.id))\n    for step", 1
    )
    write_model(project, text)
    with redirect_stdout(StringIO()) as out:
        tuned(project, trials=1, strategy="random")
    generation = published.find(project, published.CURRENT).parent.name
    assert f"{{'generation': '{generation}', 'table': 'ml.training'}} True" in out.getvalue()
