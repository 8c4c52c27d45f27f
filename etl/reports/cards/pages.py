"""Models that learn for the report: a card each, and their trainings, small enough for thousands of them."""

from __future__ import annotations

from typing import Any

from etl.ledger import Ledger
from etl.ledger.experiments import Experiment, curves_of, of_model
from etl.models import Models
from etl.project import Project
from etl.reports.cards.card import known_cards
from etl.reports.cards.counts import counting, results, rounded, thinned
from etl.sources import Catalog

#: So many of the newest trainings are shown, with so many steps of each curve and so many curves.
_RUNS, _STEPS, _CURVES = 100, 40, 4


def learned(project: Project, catalog: Catalog, models: Models, ledger: Ledger) -> dict[str, Any]:
    """Return the pages of all models that were ever trained, by name.

    Each has its card, its newest trainings, and how many there are.
    """
    found = {}
    for name, card in known_cards(project, catalog, models, ledger).items():
        every = of_model(ledger, name)
        counts, _ = counting(every, card["declared"].get("params", {}))
        shown = list(every[-_RUNS:])
        if counts and counts not in shown:
            shown.insert(0, counts)
        if card["training"]:
            curves = card["training"]["curves"]
            card["training"]["curves"] = {curve: _curve(curves[curve]) for curve in list(curves)[:_CURVES]}
        found[name] = {"card": card, "all": len(every), "runs": [_run(ledger, one) for one in reversed(shown)]}
    return found


def _run(ledger: Ledger, one: Experiment) -> dict[str, Any]:
    curves = curves_of(ledger, one.experiment_id)
    return {
        **{"id": one.experiment_id, "at": one.started_at[:19], "by": one.origin, "out": one.verdict},
        **{"cut": one.cut_off, "rows": one.rows, "sec": one.seconds},
        "m": {name: rounded(value) for name, value in results(one).items()},
        "p": {name: rounded(value) for name, value in one.params.items()},
        "c": {name: _curve(steps) for name, steps in list(curves.items())[:_CURVES]},
    }


def _curve(steps: Any) -> list[list[float]]:
    """Return a curve as its steps and its values."""
    return [list(one) for one in zip(*thinned(steps, _STEPS), strict=True)]
