"""Experiments: each training with its parameters, metrics and curves, whatever became of its model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from etl.ledger.ledger import Ledger

#: Where an experiment comes from: a training of the night, a tuning, or the search of a topology.
NIGHT, TUNE, SEARCH = "night", "tune", "search"
#: What became of it; of one that nothing was decided about, the verdict is empty.
TRIAL, PRUNED, FAILED = "trial", "pruned", "failed"

#: Steps of a curve, as (name, step, value).
Curve = Iterable[tuple[str, int, float]]
_JSON = ("params", "metrics", "libraries")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One training. `fingerprint` changes with what it was trained from; times are seconds, `started_at` is UTC.

    `metrics` are numbers by name, and what else is to be kept of it; `libraries` are versions by name.
    """

    experiment_id: str
    run_id: str = ""
    model: str
    origin: str
    started_at: str
    cut_off: str = ""
    commit_id: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    fingerprint: str = ""
    model_version: str = ""
    verdict: str = ""


_NAMES = tuple(one.name for one in fields(Experiment))


def write(ledger: Ledger, experiment: Experiment, curves: Curve = ()) -> None:
    """Keep an experiment and its curves, in place of what was kept under its id."""
    values = [getattr(experiment, name) for name in _NAMES]
    texts = [
        json.dumps(value, sort_keys=True) if name in _JSON else value
        for name, value in zip(_NAMES, values, strict=True)
    ]
    key = experiment.experiment_id
    insert = f"insert or replace into experiments ({', '.join(_NAMES)}) values ({', '.join('?' * len(_NAMES))})"
    ledger.change(
        (insert, [texts]),
        ("delete from curves where experiment_id = ?", [(key,)]),
        (
            "insert into curves (experiment_id, name, step, value) values (?, ?, ?, ?)",
            [(key, *step) for step in curves],
        ),
    )


def decide(ledger: Ledger, experiment_id: str, verdict: str) -> None:
    """Keep what was decided about the model of an experiment."""
    ledger.change(("update experiments set verdict = ? where experiment_id = ?", [(verdict, experiment_id)]))


def of_model(ledger: Ledger, name: str) -> tuple[Experiment, ...]:
    """Return the experiments of a model, the oldest first."""
    select = f"select {', '.join(_NAMES)} from experiments where model = ? order by started_at, rowid"
    return tuple(_experiment(row) for row in ledger.ask(select, (name,)))


def everything(ledger: Ledger) -> tuple[Experiment, ...]:
    """Return the experiments of all models, the oldest first."""
    select = f"select {', '.join(_NAMES)} from experiments order by started_at, rowid"
    return tuple(_experiment(row) for row in ledger.ask(select))


def models_of(ledger: Ledger) -> tuple[str, ...]:
    """Return the names of the models that have experiments."""
    return tuple(name for (name,) in ledger.ask("select distinct model from experiments order by model"))


def curves_of(ledger: Ledger, experiment_id: str) -> dict[str, list[tuple[int, float]]]:
    """Return the curves of an experiment by name, as steps and values in order."""
    found: dict[str, list[tuple[int, float]]] = {}
    select = "select name, step, value from curves where experiment_id = ? order by name, step"
    for name, step, value in ledger.ask(select, (experiment_id,)):
        found.setdefault(name, []).append((step, value))
    return found


def _experiment(row: tuple[Any, ...]) -> Experiment:
    named = dict(zip(_NAMES, row, strict=True))
    return Experiment(**{name: json.loads(value) if name in _JSON else value for name, value in named.items()})
