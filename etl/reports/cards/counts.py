"""Which training of a model counts, and what of a training is told where there is no room for all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etl.ledger.experiments import FAILED, PRUNED, SEARCH, TRIAL, TUNE, Experiment

#: What a night says of the training whose model is published.
CHAMPION = "champion"
#: What the metrics of a trial have beside its results.
_OWN = ("score", "share", "rung")
#: So many steps of a curve are told, each the last one of its share.
STEPS = 60


def counting(found: Sequence[Experiment], params: Mapping[str, Any]) -> tuple[Experiment | None, str]:
    """Return the training that a model is told by, of all from the oldest on, and what it is.

    That is the newest champion; or else the newest one of a night, then the newest full trial of a tuning, with
    the parameters of today if there is one, and then whatever came last.
    """
    of_nights = [one for one in found if not is_trial(one)]
    full = [one for one in found if _is_full(one)]
    for chosen, what in (
        ([one for one in of_nights if one.verdict == CHAMPION], "the champion"),
        ([one for one in of_nights if one.verdict not in (FAILED, PRUNED)], "the newest training of a night"),
        ([one for one in full if _has(one, params)], "the newest trial of etl tune with the parameters of today"),
        (full, "the newest full trial of etl tune"),
        (list(found), "the newest training"),
    ):
        if chosen:
            return chosen[-1], what
    return None, ""


def is_trial(one: Experiment) -> bool:
    """Return whether a training is a trial of a tuning or of a search."""
    return one.origin in (TUNE, SEARCH)


def _is_full(one: Experiment) -> bool:
    is_whole = one.metrics.get("share", 1) == 1 and one.metrics.get("role") != "noise"
    return is_trial(one) and one.verdict == TRIAL and is_whole


def _has(one: Experiment, params: Mapping[str, Any]) -> bool:
    return all(params.get(name) == value for name, value in one.params.items())


def results(one: Experiment) -> dict[str, float]:
    """Return the metrics of a training that are numbers, but for what a search keeps to go on from."""
    return {
        name: value
        for name, value in one.metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and not (is_trial(one) and name in _OWN)
    }


def thinned(steps: Sequence[tuple[int, float]], most: int = STEPS) -> list[tuple[int, float]]:
    """Return a curve by at most so many of its steps, the last one among them; values have six digits."""
    many = min(most, len(steps))
    chosen = [steps[(place + 1) * len(steps) // many - 1] for place in range(many)]
    return [(step, rounded(value)) for step, value in chosen]


def rounded(value: float) -> float:
    """Return a number with six digits."""
    return float(f"{value:.6g}") if isinstance(value, float) else value
