"""When a model learns again: the cut-off of its rows, by the data and not by the clock."""

from __future__ import annotations

import re
from datetime import date, timedelta

NEVER, WEEKLY, MONTHLY, ALWAYS = "never", "weekly", "monthly", "always"
_DRIFT = re.compile(r"drift (\d+(?:\.\d+)?)")
#: What RETRAIN can be, in words.
SAID = '"monthly", "weekly", "always", "never" or "drift 0.2"'


def is_retrain(value: object) -> bool:
    """Return whether a value says when a model learns again."""
    return isinstance(value, str) and (
        value in (NEVER, WEEKLY, MONTHLY, ALWAYS) or _DRIFT.fullmatch(value) is not None
    )


def drift_limit(retrain: str) -> float | None:
    """Return from how much drift on a model learns again; None if drift does not decide."""
    match = _DRIFT.fullmatch(retrain)
    return float(match[1]) if match else None


def cut_off(retrain: str, newest: date) -> date:
    """Return the cut-off by the day of the newest row: the rows before it are learned from, or judge.

    For `never` and for drift it is that of a first training, where the month begins; they keep it after that.
    """
    if retrain == ALWAYS:
        return newest
    if retrain == WEEKLY:
        return newest - timedelta(newest.weekday())
    return newest.replace(day=1)
