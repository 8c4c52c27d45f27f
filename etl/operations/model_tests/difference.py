"""Expected and actual rows side by side, as text that shows what differs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from etl.errors import counted

Row = tuple[Any, ...]

#: So many rows are shown at most.
_SHOWN = 20


def difference(columns: Sequence[str], expected: Iterable[Row], got: Iterable[Row], key: Sequence[str]) -> str:
    """Return how two sets of rows differ, or an empty text; the order of rows does not matter.

    Floating-point numbers are compared to 9 significant digits. Of an expected row that is not there the nearest
    one that is not expected is shown below it, with only what differs; `key` names the columns that name a row.
    """
    wanted, there = list(map(_rounded, expected)), list(map(_rounded, got))
    missing, surplus = _less(wanted, there), _less(there, wanted)
    if not missing and not surplus:
        return ""
    places = [columns.index(name) for name in key] if set(key) <= set(columns) else []
    pairs = _pairs(missing, surplus, places)
    lines: list[tuple[str, Sequence[str]]] = []
    for row, other in pairs:
        lines.append(("expected", list(map(_text, row))))
        lines.append(
            ("but got", ["" if repr(a) == repr(b) else _text(b) for a, b in zip(row, other, strict=True)])
        )
    lines += [("missing", list(map(_text, row))) for row in missing]
    lines += [("unexpected", list(map(_text, row))) for row in surplus]
    counts = {"different": len(pairs), "missing": len(missing), "unexpected": len(surplus)}
    return f"{_summary(counts, len(wanted), len(there))}\n\n{_table(columns, lines)}"


def _less(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """Return the rows without as many equal ones as there are in `others`; rows may hold what has no hash."""
    left = Counter(map(repr, others))
    found = []
    for row in rows:
        if left[repr(row)]:
            left[repr(row)] -= 1
        else:
            found.append(row)
    return sorted(found, key=repr)


def _pairs(missing: list[Row], surplus: list[Row], key: Sequence[int]) -> list[tuple[Row, Row]]:
    """Take pairs of rows out of both lists: those of one key, or those that are most alike."""
    found = []
    for row in missing[:_SHOWN]:
        near, _, best = max(
            ((*_likeness(row, other, key), other) for other in surplus),
            default=(0, 0, ()),
            key=lambda item: item[:2],
        )
        if near:
            found.append((row, best))
            surplus.remove(best)
    for row, _ in found:
        missing.remove(row)
    return found


def _likeness(row: Row, other: Row, key: Sequence[int]) -> tuple[int, int]:
    """Return how near two rows are, and then how alike; what names a row stands first as a rule."""
    equal = [repr(a) == repr(b) for a, b in zip(row, other, strict=True)]
    if key:
        return int(all(equal[place] for place in key)), sum(equal)
    return equal.index(False) or int(2 * sum(equal) >= len(equal)), sum(equal)


def _rounded(value: Any) -> Any:
    """Return a value, or what is in it, with its floating-point numbers to 9 digits."""
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        return float(f"{value:.9g}") + 0.0
    if isinstance(value, dict):
        return {_rounded(name): _rounded(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(map(_rounded, value))
    return value


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and (value != value.strip() or value in ("", "null") or "\n" in value):
        return repr(value)
    return str(value)


def _summary(counts: dict[str, int], wanted: int, there: int) -> str:
    parts = [f"{number:,} {what}" for what, number in counts.items() if number]
    return f"{counted(wanted, 'row')} expected, {there:,} got; {', '.join(parts)}"


def _table(columns: Sequence[str], lines: Sequence[tuple[str, Sequence[str]]]) -> str:
    shown = [("", columns), *lines[: 2 * _SHOWN]]
    widths = [max(len(row[place]) for _, row in shown) for place in range(len(columns))]
    text = []
    for label, row in shown:
        cells = "  ".join(f"{value:<{width}}" for value, width in zip(row, widths, strict=True))
        text.append(f"  {label:<10}  {cells}".rstrip())
    more = len(lines) - 2 * _SHOWN
    return "\n".join([*text, f"  and {more:,} more lines"] if more > 0 else text)
