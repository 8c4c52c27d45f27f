"""What the columns' values look like, small enough for thousands of them: told by their newest profiles."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from etl.errors import cut
from etl.ledger import Ledger
from etl.ledger.profiles import Profile, Profiles

#: So many bars has a distribution; so many of the most frequent values are shown, and so much of each.
_BARS, _TOP, _LONGEST = 14, 4, 28


def shapes(ledger: Ledger) -> dict[str, dict[str, dict[str, Any]]]:
    """Return, by table and column, rows (`n`), nulls (`z`), different values (`d`), the least and the greatest.

    `h` is the distribution, a digit for each bar and 9 for the highest; `top` are frequent values. Of personal
    data the ledger has counts only.
    """
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for profile in Profiles(ledger).newest():
        if profile.column_name:
            found[profile.table_name][profile.column_name] = _shape(profile)
    return found


def _shape(profile: Profile) -> dict[str, Any]:
    top = [cut(str(value), _LONGEST) for value, _ in profile.top[:_TOP]]
    facts = {
        **{"n": profile.rows, "z": profile.nulls, "d": profile.approx_distinct},
        **{"lo": _short(profile.min), "hi": _short(profile.max), "top": top, "h": _bars(profile)},
    }
    return {name: value for name, value in facts.items() if value not in (None, [], "")}


def _short(text: str | None) -> str | None:
    return None if text is None else cut(text, _LONGEST)


def _bars(profile: Profile) -> str:
    """Return the digits of a distribution: of numbers by their quantiles, of others by their frequent values."""
    numbers = [float(value) for value in profile.quantiles if isinstance(value, int | float)]
    if len(numbers) == len(profile.quantiles) > 1 and numbers[-1] > numbers[0]:
        return _digits(_histogram(numbers))
    shares = [share for _, share in profile.top[:_BARS]]
    return _digits(shares) if len(shares) > 1 else ""


def _histogram(quantiles: Sequence[float]) -> list[float]:
    """Return the share of values in each of equally wide bars, as if they lay evenly between quantiles."""
    low, width = quantiles[0], (quantiles[-1] - quantiles[0]) / _BARS
    below = [_below(quantiles, low + at * width) for at in range(1, _BARS)]
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
