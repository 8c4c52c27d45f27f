"""What the columns' values look like, small enough for thousands of them: told by their newest profiles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import Any

from etl.errors import cut
from etl.ledger import Ledger
from etl.ledger.profiles import Profiles

#: So many of the most frequent values are shown, and so much of each.
_TOP, _LONGEST = 4, 28


def shapes(ledger: Ledger) -> dict[str, dict[str, list[Any]]]:
    """Return, by table and column, rows, nulls, different values, the least, the greatest, frequent values, bars.

    What there is not is None. Of personal data the ledger has counts only.
    """
    found: dict[str, dict[str, list[Any]]] = defaultdict(dict)
    for table, column, facts in Profiles(ledger).drawn():
        found[table][column] = _short(facts)
    return found


def _short(facts: Sequence[Any]) -> list[Any]:
    rows, nulls, distinct, least, greatest, top, bars = facts
    shown = [_cut(value) for value in islice(top, _TOP)] if top else None
    return [rows, nulls, distinct, _cut(least), _cut(greatest), shown, bars]


def _cut(text: str | None) -> str | None:
    # nearly all are short, and there are tens of thousands
    return text if text is None or len(text) <= _LONGEST else cut(text, _LONGEST)
