"""How good predictions are: one number, of which less is better; and what it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.float64]]

#: A probability is taken for at least so much, and at most for all but that.
_LEAST = 1e-15


def judged(gate: str, labels: Any, predictions: Any) -> float:
    """Return the score of predictions by a judge; that of `auc` is negative, so that less is better.

    Raises ValueError for predictions that are not one finite number for each label.
    """
    import numpy as np

    truth = np.asarray(labels, dtype="float64")
    said = np.asarray(predictions, dtype="float64")
    if said.shape != truth.shape:
        raise ValueError(f"predict() returned {said.shape} predictions for {len(truth):,} rows. Return one each")
    if not np.isfinite(said).all():
        raise ValueError("predict() returned a value that is not a finite number")
    return float(_JUDGES[gate](truth, said))


def losses(gate: str, labels: Any, predictions: Any) -> Numbers | None:
    """Return the loss of each row, of which the score is made; None for a judge that looks at all rows at once."""
    import numpy as np

    truth, said = np.asarray(labels, dtype="float64"), np.asarray(predictions, dtype="float64")
    return _LOSSES[gate](truth, said) if gate in _LOSSES else None


def is_negative(gate: str) -> bool:
    """Return whether more is better, so that the score is its negative."""
    return gate == "auc"


def _log_losses(truth: Numbers, said: Numbers) -> Numbers:
    import numpy as np

    certain = np.clip(said, _LEAST, 1 - _LEAST)
    found: Numbers = -(truth * np.log(certain) + (1 - truth) * np.log(1 - certain))
    return found


def _squares(truth: Numbers, said: Numbers) -> Numbers:
    found: Numbers = (truth - said) ** 2
    return found


def _distances(truth: Numbers, said: Numbers) -> Numbers:
    found: Numbers = abs(truth - said)
    return found


def _auc(truth: Numbers, said: Numbers) -> float:
    """Return the negative chance that a row which is true is ranked above one that is not; half a tie counts."""
    import numpy as np

    positive = int(truth.sum())
    negative = len(truth) - positive
    if not positive or not negative:
        return -0.5
    _, place, counts = np.unique(said, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return -float((ranks[truth == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


_LOSSES: Mapping[str, Callable[[Numbers, Numbers], Numbers]] = {
    "log_loss": _log_losses,
    "brier": _squares,
    "rmse": _squares,
    "mae": _distances,
}
_JUDGES: Mapping[str, Callable[[Numbers, Numbers], float]] = {
    "log_loss": lambda truth, said: float(_log_losses(truth, said).mean()),
    "brier": lambda truth, said: float(_squares(truth, said).mean()),
    "auc": _auc,
    "rmse": lambda truth, said: float(_squares(truth, said).mean() ** 0.5),
    "mae": lambda truth, said: float(_distances(truth, said).mean()),
}
