"""Waiting for a descriptor, whatever its number: `select.select` refuses those from 1,024 on."""

from __future__ import annotations

import math
import select


def is_readable(descriptor: int, seconds: float | None) -> bool:
    """Return whether there is something to read, or an end, within so many seconds; None waits for ever."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(None if seconds is None else math.ceil(seconds * 1000)))
