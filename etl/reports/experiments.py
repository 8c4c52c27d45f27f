"""Experiments as plain data: what `etl ml` tells of trainings, their parameters, results and curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from etl.errors import ConfigError, unknown
from etl.ledger import Ledger
from etl.ledger.experiments import Experiment, curves_of, everything, models_of, of_model

#: The signs of a curve, from its least value to its greatest, and how many of them it has at the most.
_BARS, _WIDTH = "▁▂▃▄▅▆▇█", 60
#: The columns of a list that are facts of a training; any other is a metric, or else a parameter.
FACTS = ("started_at", "rows", "seconds", "cpu_seconds", "cut_off", "origin", "verdict")
#: Of these more is better, so that the best of them comes first where somebody sorts by one.
_MORE_IS_BETTER = ("accuracy", "auc", "f1", "precision", "r2", "recall")


def experiments(ledger: Ledger, model: str, sort: str = "", last: int | None = None) -> list[dict[str, Any]]:
    """Return the trainings of a model, the newest first, or the best by `sort`; those without it come last.

    `sort` is one of FACTS, a metric or a parameter. Raises ConfigError for a model that was never trained, and for
    a name that no training has.
    """
    known = models_of(ledger)
    if model not in known:
        raise ConfigError(unknown(f"No training of {model} is known", model, known))
    found = [asdict(one) for one in reversed(of_model(ledger, model))]
    if sort:
        names = {name for one in found for name in (*one["metrics"], *one["params"])}.union(FACTS)
        if sort not in names:
            raise ConfigError(unknown(f"No training of {model} has {sort}", sort, names))
        found.sort(key=lambda one: _place_of(value_of(one, sort), sort))
    return found[:last]


def compared(ledger: Ledger, first: str, second: str) -> dict[str, Any]:
    """Return what two trainings have in common and what differs, by what it is and its name.

    Ids may be cut off after enough of their signs. Raises ConfigError for one that is not known.
    """
    pair = [asdict(one) for one in (_find(ledger, first), _find(ledger, second))]
    flat = [dict(_flat(one)) for one in pair]
    names = sorted({*flat[0], *flat[1]}, key=lambda name: (_place(name), name))
    rows = [(name, flat[0].get(name), flat[1].get(name)) for name in names]
    return {
        "experiments": [one["experiment_id"] for one in pair],
        "different": {name: [a, b] for name, a, b in rows if a != b},
        "same": {name: a for name, a, b in rows if a == b},
    }


def curves(ledger: Ledger, name: str) -> dict[str, Any]:
    """Return the curves of a training by name, as steps and values. Raises ConfigError if there is none such."""
    found = _find(ledger, name)
    known = curves_of(ledger, found.experiment_id)
    return {
        "experiment_id": found.experiment_id,
        "model": found.model,
        "curves": {curve: [list(step) for step in steps] for curve, steps in known.items()},
    }


def value_of(row: Mapping[str, Any], name: str) -> Any:
    """Return a fact, metric or parameter of a training, or None if it has none of that name."""
    if name in FACTS:
        return row[name]
    return row["metrics"].get(name, row["params"].get(name))


def drawn(values: Sequence[float]) -> str:
    """Return a curve as a line of bars: each is the last value of its share of the steps."""
    width = min(_WIDTH, len(values))
    chosen = [values[(place + 1) * len(values) // width - 1] for place in range(width)]
    known = [value for value in chosen if math.isfinite(value)] or [0.0]
    least, most = min(known), max(known)
    scale = (len(_BARS) - 1) / (most - least) if most > least else 0.0
    return "".join(_BARS[round((value - least) * scale)] if math.isfinite(value) else "?" for value in chosen)


def _find(ledger: Ledger, name: str) -> Experiment:
    known = {one.experiment_id: one for one in everything(ledger)}
    if name in known:
        return known[name]
    alike = [one for key, one in known.items() if name and key.startswith(name)]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise ConfigError(f"{len(alike)} trainings begin with {name}. Name more of one: etl ml runs MODEL")
    raise ConfigError(f"There is no training {name}. To list them: etl ml runs MODEL")


def _place_of(value: Any, sort: str) -> tuple[int, float, str]:
    """Return what sorts values with the best first: numbers before texts, and what is not known last."""
    if isinstance(value, int | float) and not math.isnan(value):
        return 0, -value if sort in _MORE_IS_BETTER else value, ""
    is_unknown = value is None or isinstance(value, float)
    return (2, 0, "") if is_unknown else (1, 0, str(value))


def _flat(one: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return what there is of a training, with the entries of its mappings one by one."""
    found: list[tuple[str, Any]] = []
    for name, value in one.items():
        if isinstance(value, Mapping):
            found += [(f"{name}.{key}", entry) for key, entry in value.items()]
        elif name != "experiment_id":
            found.append((name, value))
    return found


def _place(name: str) -> int:
    order = ("metrics.", "params.")
    return next((place for place, start in enumerate(order) if name.startswith(start)), len(order))
