"""Predictions by day: what each day is made of, so that a night predicts the days that are new or changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier, literal, qualified
from etl.engine.row_hashes import row_hashes
from etl.ledger import digest
from etl.models import Model

if TYPE_CHECKING:
    import duckdb


def day_of(column: str) -> str:
    """Return the SQL of the day of a date or timestamp."""
    return f"cast({identifier(column)} as date)"


def on_days(day: str, days: Sequence[date | None] | None) -> str:
    """Return the SQL of whether a row is of some days, of which None stands for no day; without days, true."""
    if days is None:
        return "true"
    dates = [literal(one) for one in days if one]
    asked = [f"{day} in ({', '.join(dates)})"] if dates else []
    return f"({' or '.join([*asked, *([f'{day} is null'] if None in days else [])]) or 'false'})"


def day_inputs(con: duckdb.DuckDBPyConnection, model: Model) -> dict[date | None, str]:
    """Return by day what stands for the rows that predictions are of, and for the model that makes them."""
    (features,) = (read for read in model.reads if not model.name.startswith(f"{read}_"))
    (champion,) = (read for read in model.reads if read != features)
    versions = con.execute(f"select model_version from {qualified(champion)}").fetchall()
    columns = [(row[0], row[1]) for row in con.execute(f"describe {qualified(features)}").fetchall()]
    query = (
        f"select {day_of(model.time)}, {row_hashes(con, features, columns)} from {qualified(features)} group by 1"
    )
    return {day: digest(content, versions) for day, content in con.execute(query).fetchall()}
