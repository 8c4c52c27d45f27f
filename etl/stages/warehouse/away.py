"""Partitions of a model that other processes build, and what the run itself builds beside them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

from etl.engine.quoting import identifier, literal
from etl.stages.warehouse.by_day import on_days
from etl.stages.warehouse.work import Build, State, Work

if TYPE_CHECKING:
    import duckdb


def away_and_here(
    con: duckdb.DuckDBPyConnection, build: Build, todo: Work, state: State, *, is_full: bool
) -> tuple[list[date], list[str]]:
    """Return the partitions that others build, and conditions of which each row that is built here keeps one."""
    column, days = build.model.header.partition, wanted_days(build, todo, state, is_full=is_full)
    away = build.elsewhere.takes(con, build, days) if build.elsewhere else []
    if is_full:
        return away, _beyond(column, away) if away else ["true"]
    return away, on_days(column, [day for day in todo.looked_at if day not in away])


def wanted_days(build: Build, todo: Work, state: State, *, is_full: bool) -> Collection[date]:
    """Return the dates that are to be built, as far as they are known before."""
    return {day for day in (state.date_inputs(build.model) if is_full else todo.looked_at) if day}


def _beyond(column: str, days: Sequence[date]) -> list[str]:
    """Return conditions of which a row keeps one that is of none of the days, which ascend: few scan anything."""
    name, first, last = identifier(column), days[0], days[-1]
    found = [f"{name} is null", f"{name} < {literal(first)}", f"{name} > {literal(last)}"]
    if last.toordinal() - first.toordinal() < len(days):
        return found
    return [*found, f"{name} between {literal(first)} and {literal(last)} and {name} not in {_listed(days)}"]


def _listed(days: Sequence[date]) -> str:
    return f"({', '.join(map(literal, days))})"
