"""The gate: whether a challenger is clearly better than the champion, on rows that neither has seen.

Rows of a day go together, so that days are drawn again and not rows: the gain must be above 0 whichever days there
had been. A model that only looks better would replace a good one every other time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.stages.trained.judges import is_negative, judged, losses

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.float64]]

#: On fewer days nobody can tell.
LEAST_DAYS = 5
#: So many times the days are drawn again, of which the last part is left out at each end.
_DRAWS, _TAIL = 1_000, 0.025
_Z = 1.959964
#: So many digits of a result are kept: the last ones depend on the order of sums.
_DIGITS = 9


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Scores as their judge gives them; `gain` is how much better the challenger is, with its 95% interval."""

    champion: float
    challenger: float
    gain: float
    low: float | None
    high: float | None
    days: int

    @property
    def is_better(self) -> bool:
        """Whether the challenger is clearly better."""
        return self.low is not None and self.low > 0


def compare(gate: str, labels: Any, days: Any, champion: Any, challenger: Any) -> Compared:
    """Compare the predictions of two models for the same rows, each of a day, by a judge.

    Raises ValueError for predictions that are not one finite number for each label.
    """
    import numpy as np

    truth = np.asarray(labels, dtype="float64")
    old, new = (np.asarray(said, dtype="float64") for said in (champion, challenger))
    scores = judged(gate, truth, old), judged(gate, truth, new)
    names, place = np.unique(np.asarray(days), return_inverse=True)
    many = len(names)
    low = high = None
    gain = scores[0] - scores[1]
    if many >= LEAST_DAYS:
        drawn = np.random.default_rng(many).integers(0, many, (_DRAWS, many))
        counts = np.stack([np.bincount(one, minlength=many) for one in drawn]).astype("float64")
        gains = _scores(gate, truth, old, place, counts) - _scores(gate, truth, new, place, counts)
        edges = np.quantile(gains, [_TAIL, 1 - _TAIL])
        wider = _widened(many)
        low, high = (_rounded(gain + wider * (float(edge) - gain)) for edge in edges)
    sign = -1 if is_negative(gate) else 1
    return Compared(
        champion=_rounded(sign * scores[0]),
        challenger=_rounded(sign * scores[1]),
        gain=_rounded(gain),
        low=low,
        high=high,
        days=many,
    )


def _scores(gate: str, truth: Numbers, said: Numbers, place: Any, counts: Numbers) -> Numbers:
    """Return the score of each draw, of which `counts` says how often each day was drawn; less is better."""
    import numpy as np

    lost = losses(gate, truth, said)
    rows = np.bincount(place, minlength=counts.shape[1])
    if lost is None:
        return _auc_scores(truth, said, place, counts)
    means = counts @ np.bincount(place, weights=lost, minlength=counts.shape[1]) / (counts @ rows)
    found: Numbers = np.sqrt(means) if gate == "rmse" else means
    return found


def _auc_scores(truth: Numbers, said: Numbers, place: Any, counts: Numbers) -> Numbers:
    """Return the negative AUC of each draw: each row counts as often as its day was drawn."""
    import numpy as np

    _, rank = np.unique(said, return_inverse=True)
    is_true, size = truth == 1, int(rank.max()) + 1
    found = np.full(len(counts), -0.5)
    for number, each in enumerate(counts):
        weight = each[place]
        positive = np.bincount(rank[is_true], weights=weight[is_true], minlength=size)
        negative = np.bincount(rank[~is_true], weights=weight[~is_true], minlength=size)
        pairs = positive.sum() * negative.sum()
        if pairs:
            below = np.cumsum(negative) - negative / 2
            found[number] = -float(positive @ below / pairs)
    return found


def _widened(days: int) -> float:
    """Return how much wider an interval is for being of few days: draws of few days lie too close together."""
    free = days - 1
    student = _Z + (_Z**3 + _Z) / (4 * free) + (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / (96 * free**2)
    return float(student / _Z * (days / free) ** 0.5)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
