"""How far the features have drifted from what a model was trained on: what lets it learn again."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from etl.contract.drift_training import psi_since
from etl.engine.quoting import qualified
from etl.models.trained import Learned

if TYPE_CHECKING:
    import duckdb


def largest_drift(con: duckdb.DuckDBPyConnection, learned: Learned, until: date) -> float:
    """Return the largest population stability index of a feature: the rows from a day on beside those before."""
    other = {name.lower() for name in (learned.label, learned.time, *learned.key)}
    columns = [row[0] for row in con.execute(f"describe {qualified(learned.features)}").fetchall()]
    found = [
        value
        for column in columns
        if column.lower() not in other
        for (_, value) in con.execute(psi_since(learned.features, column, learned.time, until)).fetchall()
    ]
    return max((float(value) for value in found if value is not None), default=0.0)
