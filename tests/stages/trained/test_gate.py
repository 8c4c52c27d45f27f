"""The gate: a worse model never wins, a clearly better one does, and chance wins seldom, on however few days."""

import numpy as np
import pytest

from etl.models.trained.declared import JUDGES
from etl.stages.trained.gate import LEAST_DAYS, compare

ROWS = 20
TRIES = 200


def drawn(seed: int, days: int) -> tuple[np.ndarray, ...]:
    """Return days, truths and chances: how many are true differs from day to day more than from row to row."""
    draw = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), ROWS)
    chance = np.clip(draw.normal(0.4, 0.15, days)[day] + draw.normal(0, 0.15, days * ROWS), 0.02, 0.98)
    return day, (draw.random(days * ROWS) < chance).astype(float), chance


def noisy(seed: int, chance: np.ndarray, day: np.ndarray, by: float) -> np.ndarray:
    """Return predictions that are off by chance, much of it the same for all rows of a day."""
    draw = np.random.default_rng(seed)
    off = draw.normal(0, by, day.max() + 1)[day] + draw.normal(0, by, len(day))
    return np.clip(chance + off, 0.01, 0.99)


@pytest.mark.parametrize("days", [5, 10, 30])
@pytest.mark.parametrize("gate", JUDGES)
def test_of_two_that_are_as_good_the_second_wins_in_no_more_than_5_percent(gate: str, days: int) -> None:
    tries = TRIES if gate != "auc" or days < 30 else TRIES // 2
    wins = 0
    for seed in range(tries):
        day, truth, chance = drawn(seed, days)
        one, other = (noisy(seed + 10_000 * n, chance, day, 0.05) for n in (1, 2))
        wins += compare(gate, truth, day, one, other).is_better
    assert wins <= tries * 0.05


@pytest.mark.parametrize("gate", JUDGES)
def test_a_worse_one_never_wins_and_a_better_one_does(gate: str) -> None:
    for seed in range(20):
        day, truth, chance = drawn(seed, 30)
        good, bad = noisy(seed, truth * 0.5 + 0.25, day, 0.02), noisy(seed, chance, day, 0.2)
        assert not compare(gate, truth, day, good, bad).is_better
        assert compare(gate, truth, day, bad, good).is_better


@pytest.mark.parametrize("gate", JUDGES)
def test_the_gain_is_the_difference_of_the_scores_and_lies_in_its_interval(gate: str) -> None:
    day, truth, chance = drawn(3, 12)
    found = compare(gate, truth, day, noisy(1, chance, day, 0.1), chance)
    better = found.challenger - found.champion if gate == "auc" else found.champion - found.challenger
    assert found.gain == pytest.approx(better, abs=1e-8) and found.days == 12
    assert found.low is not None and found.high is not None and found.low < found.gain < found.high


def test_nobody_wins_on_a_few_days_and_nobody_beats_himself() -> None:
    day, truth, chance = drawn(1, LEAST_DAYS - 1)
    few = compare("log_loss", truth, day, 1 - truth, truth)
    assert few.gain > 1 and few.low is None and not few.is_better

    day, truth, chance = drawn(1, 30)
    same = compare("log_loss", truth, day, chance, chance)
    assert (same.gain, same.low, same.high, same.is_better) == (0, 0, 0, False)


def test_rows_of_a_day_go_together_so_that_one_good_day_does_not_win() -> None:
    day = np.repeat(np.arange(10), 1000)
    truth = np.ones(len(day))
    lucky = np.where(day == 4, 0.9, 0.5)
    assert not compare("brier", truth, day, np.full(len(day), 0.5), lucky).is_better
