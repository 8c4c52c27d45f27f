"""Steps that somebody has cleared: their receipts stay, and they are done again as if insisted on.

A receipt that was deleted instead would take with it what only it knows: what was taken of a file that is gone,
and that the lake need not be adopted.
"""

from __future__ import annotations

from collections.abc import Iterable

from etl.ledger.ledger import Ledger
from etl.ledger.rows import Key


def cleared_steps(ledger: Ledger) -> dict[Key, str]:
    """Return what was cleared and not done again yet, with an id: a run of a later one has done it again."""
    rows = ledger.ask("select step, name, partition, since from cleared")
    return {Key(*row[:3]): row[3] for row in rows}


def clear_steps(ledger: Ledger, keys: Iterable[Key], since: str) -> None:
    """Have steps done again by the next run whose id is `since` or later; all of it or nothing."""
    ledger.change(("insert or replace into cleared values (?, ?, ?, ?)", [(*key, since) for key in keys]))
