"""Experiments: what is kept of a training is what was written, with its curves."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.ledger import Ledger
from etl.ledger.experiments import SEARCH, TRIAL, TUNE, Experiment, curves_of, of_model, write

texts = st.text("a'\" \u00e9,[]{}:", max_size=6)
numbers = st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none()
steps = st.dictionaries(st.tuples(texts, st.integers(0, 9)), st.floats(-1e6, 1e6), max_size=8)
experiments = st.builds(
    Experiment,
    experiment_id=st.just("1"),
    model=st.just("delay"),
    origin=st.sampled_from([SEARCH, TUNE]),
    started_at=st.just("2024-03-01T00:00:00+00:00"),
    params=st.dictionaries(texts, numbers | texts | st.lists(st.integers(0, 9)), max_size=3),
    metrics=st.dictionaries(texts, numbers, max_size=3),
    libraries=st.dictionaries(texts, texts, max_size=2),
    seed=st.none() | st.integers(0, 9),
    rows=st.none() | st.integers(0, 10**12),
    seconds=st.none() | st.floats(0, 9),
    verdict=texts,
)


@pytest.fixture
def ledger(tmp_path: Path):
    opened = Ledger(tmp_path / "ledger.sqlite")
    yield opened
    opened.close()


@given(experiments, steps)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_kept_is_what_was_written(
    ledger: Ledger, experiment: Experiment, curve: dict[tuple[str, int], float]
) -> None:
    write(ledger, experiment, [(name, step, value) for (name, step), value in curve.items()])
    assert of_model(ledger, "delay") == (experiment,)
    found = curves_of(ledger, "1")
    assert {(name, step): value for name, values in found.items() for step, value in values} == curve
    assert all(values == sorted(values) for values in found.values())


def test_an_experiment_takes_the_place_of_the_one_with_its_id_and_others_stay(ledger: Ledger) -> None:
    one = Experiment(experiment_id="1", model="delay", origin=TUNE, started_at="2024-03-02", verdict=TRIAL)
    older = replace(one, experiment_id="0", started_at="2024-03-01")
    write(ledger, one, [("loss", 1, 0.5), ("loss", 2, 0.4)])
    write(ledger, older, [("loss", 1, 0.9)])
    write(ledger, replace(one, experiment_id="2", model="other"))
    write(ledger, replace(one, verdict="champion"), [("auc", 1, 0.7)])

    assert [each.verdict for each in of_model(ledger, "delay")] == [TRIAL, "champion"]
    assert curves_of(ledger, "1") == {"auc": [(1, 0.7)]}
    assert curves_of(ledger, "0") == {"loss": [(1, 0.9)]}
    assert of_model(ledger, "nothing") == () and curves_of(ledger, "nothing") == {}


def test_thirty_trainings_of_three_hundred_points_are_kept_in_a_transaction_each(ledger: Ledger) -> None:
    for number in range(30):
        one = Experiment(experiment_id=str(number), model="delay", origin=TUNE, started_at=f"2024-03-{number:02}")
        write(ledger, one, [(name, step, step / 7) for name in ("loss", "auc", "rows") for step in range(100)])
    assert ledger.ask("select count(*), count(distinct experiment_id) from curves") == [(9_000, 30)]
