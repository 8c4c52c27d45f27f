"""How long something took, as people read it."""

from __future__ import annotations


def lasting(seconds: float | None) -> str:
    """Return a duration as hours, minutes and seconds with one digit: `0:00:02.6`; empty if nobody knows it."""
    if seconds is None:
        return ""
    tenths = round(seconds * 10)
    return f"{tenths // 36_000}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"
