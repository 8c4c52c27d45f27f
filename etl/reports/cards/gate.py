"""What the gate decided about a model, as the published file has it: which model is used since when, and why."""

from __future__ import annotations

from typing import Any

from etl import engine
from etl.engine.quoting import identifier, qualified
from etl.errors import PublishError
from etl.project import Project
from etl.stages import published

#: The columns that are told, as far as the table has them.
_TOLD = (
    *("number", "decided_for", "verdict", "champion", "challenger", "judge", "champion_score", "challenger_score"),
    *("gain", "gain_low", "gain_high", "judged_from", "judged_days", "judged_rows", "why"),
)


def decisions_of(project: Project, table: str) -> list[dict[str, Any]]:
    """Return the rows of a published table of decisions, the newest first; none if there is no such table."""
    try:
        file = published.find(project, published.CURRENT)
    except PublishError:
        return []
    with engine.reading(project, file) as con:
        query = "select column_name from duckdb_columns() where schema_name || '.' || table_name = ?"
        there = {name for (name,) in con.execute(query, [table]).fetchall()}
        told = [name for name in _TOLD if name in there]
        if "number" not in told:
            return []
        columns = ", ".join(map(identifier, told))
        rows = con.execute(f"select {columns} from {qualified(table)} order by number desc").fetchall()
    return [
        {name: value if isinstance(value, int | float | str) else value and str(value) for name, value in pairs}
        for pairs in (zip(told, row, strict=True) for row in rows)
    ]
