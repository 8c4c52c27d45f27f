"""Lengths of time as people write them in settings and options: `90 seconds`, `15 minutes`, `5 min`, `2 hours`."""

from __future__ import annotations

import re

_UNITS = {"second": 1, "minute": 60, "min": 60, "hour": 3600, "day": 86_400}


def seconds_in(text: str) -> float | None:
    """Return a length of time in seconds; None if the text is none, or says none at all."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) (second|minute|min|hour|day)s?", text.strip())
    return float(found[1]) * _UNITS[found[2]] or None if found else None
