"""A distribution as a text: a digit for each bar, and 9 for the highest; small enough for thousands of columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

#: So many bars has a distribution.
BARS = 14


def bars_of(facts: Mapping[str, Any]) -> str:
    """Return the bars of a column's facts: of numbers by their quantiles, of others by their frequent values."""
    quantiles = facts.get("quantiles", ())
    numbers = [float(value) for value in quantiles if isinstance(value, int | float)]
    if len(numbers) == len(quantiles) > 1 and numbers[-1] > numbers[0]:
        return _digits(_histogram(numbers))
    shares = [*facts.get("top", {}).values()][:BARS]
    return _digits(shares) if len(shares) > 1 else ""


def _histogram(quantiles: Sequence[float]) -> list[float]:
    """Return the share of values in each of equally wide bars, as if they lay evenly between quantiles."""
    low, width = quantiles[0], (quantiles[-1] - quantiles[0]) / BARS
    below = [_below(quantiles, low + at * width) for at in range(1, BARS)]
    return [after - before for before, after in pairwise([0.0, *below, len(quantiles) - 1.0])]


def _below(quantiles: Sequence[float], value: float) -> float:
    """Return how many of the distances between quantiles lie below a value."""
    at = bisect_right(quantiles, value)
    if at in (0, len(quantiles)):
        return float(max(at - 1, 0))
    left, right = quantiles[at - 1], quantiles[at]
    return at - 1 + (value - left) / (right - left)


def _digits(shares: Sequence[float]) -> str:
    most = max(shares)
    return "".join(str(round(9 * share / most)) for share in shares) if most else ""
