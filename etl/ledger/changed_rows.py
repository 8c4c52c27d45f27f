"""How many rows differ between two generations, by table: as counted last, since to count them takes a while."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from etl.ledger.ledger import Ledger
from etl.ledger.rows import now

_CACHED = "changed rows"


def note_changed_rows(ledger: Ledger, before: str, after: str, counts: Mapping[str, tuple[int, int, int]]) -> None:
    """Note the added, removed and changed rows of tables between two generations, beside those noted before.

    Generations are never written to, so that the numbers stay right; those of another pair are forgotten.
    """
    tables = {**changed_rows(ledger, before, after).get("tables", {}), **counts}
    ledger.cache(_CACHED, f"{before} {after}", json.dumps({"at": now(), "tables": tables}))


def changed_rows(ledger: Ledger, before: str, after: str) -> dict[str, Any]:
    """Return what was noted of two generations: `at`, when, and `tables`; nothing if nobody has counted."""
    text = ledger.cached(_CACHED, f"{before} {after}")
    return json.loads(text) if text else {}
