"""The last runs that did something about one source or model, or that repeated one check."""

from __future__ import annotations

from etl.ledger.history import CheckRow, History, StepRow
from etl.ledger.ledger import Ledger


def last_steps(ledger: Ledger, name: str, runs: int) -> list[StepRow]:
    """Return the steps about a source or model in the last runs that had any, the newest run first."""
    found = History(ledger).steps(_runs(ledger, "steps", name, runs))
    # sorted() keeps the order of the steps of a run; run ids sort by time
    return sorted((step for step in found if step.name == name), key=lambda step: step.run_id, reverse=True)


def last_checks(ledger: Ledger, name: str, runs: int) -> list[CheckRow]:
    """Return what a check found in the last runs that repeated it, the newest first."""
    found = History(ledger).checks(_runs(ledger, "check_history", name, runs))
    return sorted((check for check in found if check.name == name), key=lambda check: check.run_id, reverse=True)


def _runs(ledger: Ledger, table: str, name: str, number: int) -> list[str]:
    query = f"select distinct run_id from {table} where name = ? order by run_id desc limit ?"
    return [row[0] for row in ledger.ask(query, (name, number))]
