"""The card of a model that learns, as plain data: nothing in it is written by hand but what its file says."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etl.errors import ConfigError, EtlError, unknown
from etl.ledger import Ledger
from etl.ledger.experiments import Experiment, curves_of, models_of, of_model
from etl.models import Models
from etl.models.trained import FOLDER, Learned, read_learned
from etl.plan.definitions import definitions
from etl.project import Project
from etl.reports.cards.counts import counting, is_trial, results
from etl.reports.cards.gate import decisions_of
from etl.reports.cards.origins import columns_of
from etl.reports.cards.parts import parts_of
from etl.sources import Catalog

#: So many decisions of nights are told, the newest first.
_DECISIONS = 12
#: What the name of a model's own tables has behind it, and what each of them is.
_TABLES = {
    "": "the model that is used",
    "_predictions": "what it says of each row",
    "_decisions": "why it is used",
    "_trained": "what was learned last",
    "_window": "which rows that was learned from",
}


def card(project: Project, ledger: Ledger, name: str) -> dict[str, Any]:
    """Return what is known of one model that learns.

    Raises ConfigError for one that is neither in ml/ nor was ever trained, and ModelError for a file of it that is
    not as it should be.
    """
    declared = read_learned(project.root)
    known = {*declared, *models_of(ledger)}
    if name not in known:
        instead = "A model that learns is a file ml/<name>.py"
        raise ConfigError(unknown(f"There is no model {name} in ml/", name, known, instead))
    catalog, models = definitions(project, ledger)
    found = _card(catalog, models, ledger, name, declared.get(name))
    table, learned = f"{FOLDER}.{name}_decisions", declared.get(name)
    is_used = learned is not None and table in found["tables"]
    personal = frozenset(one["column"] for one in found["features"].get("columns", ()) if one["pii"])
    return found | {
        "gate": decisions_of(project, table) if is_used else [],
        "parts": parts_of(project, learned, personal) if learned and is_used else [],
    }


def known_cards(project: Project, catalog: Catalog, models: Models, ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Return the cards of all models that were ever trained, by name; one whose file is wrong says so."""
    names, wrong = models_of(ledger), ""
    declared: dict[str, Learned] = {}
    if names:
        try:
            declared = read_learned(project.root)
        except EtlError as error:
            wrong = str(error)
    found = {name: _card(catalog, models, ledger, name, declared.get(name)) for name in names}
    for one in found.values():
        one["gaps"] = [wrong] if wrong else one["gaps"]
    return found


def _card(catalog: Catalog, models: Models, ledger: Ledger, name: str, learned: Learned | None) -> dict[str, Any]:
    found = of_model(ledger, name)
    counts, what = counting(found, learned.params if learned else {})
    return {
        "model": name,
        "file": learned.file if learned else f"{FOLDER}/{name}.py",
        "description": _description(learned) if learned else "",
        "declared": _declared(learned) if learned else {},
        "tables": {
            table: said for more, said in _TABLES.items() if (table := f"{FOLDER}.{name}{more}") in models.models
        },
        "features": columns_of(catalog, models, ledger, learned) if learned else {},
        "counts_as": what,
        "training": _training(ledger, counts) if counts else {},
        "trainings": dict(Counter(one.verdict or one.origin for one in found)),
        "decisions": [_decision(one) for one in reversed(found) if not is_trial(one)][:_DECISIONS],
        "gaps": list(_gaps(learned, counts)),
        "again": list(_again(name, counts)),
    }


def _description(learned: Learned) -> str:
    own = list(learned.code.texts.values())[-1]
    return ast.get_docstring(ast.parse(own)) or ""


def _declared(learned: Learned) -> dict[str, Any]:
    return {
        "table": learned.features,
        "label": learned.label,
        "key": list(learned.key),
        "time": learned.time,
        "held_out_days": learned.held_out,
        "judged_by": learned.gate,
        "params": dict(learned.params),
        "seed": learned.seed,
        "libraries": dict(learned.libraries),
        "space": {one: list(said) if isinstance(said, tuple) else said for one, said in learned.space.items()},
    }


def _training(ledger: Ledger, one: Experiment) -> dict[str, Any]:
    return {
        **{key: getattr(one, key) for key in _TOLD},
        "params": dict(one.params),
        "metrics": results(one),
        "libraries": dict(one.libraries),
        "curves": {
            curve: [list(step) for step in steps] for curve, steps in curves_of(ledger, one.experiment_id).items()
        },
    }


_TOLD = (
    *("experiment_id", "origin", "verdict", "started_at", "cut_off", "rows", "seconds", "cpu_seconds", "seed"),
    *("run_id", "commit_id", "fingerprint", "model_version"),
)


def _decision(one: Experiment) -> dict[str, Any]:
    told = {
        key: getattr(one, key) for key in ("experiment_id", "started_at", "cut_off", "verdict", "model_version")
    }
    return {**told, "metrics": results(one)}


def _gaps(learned: Learned | None, counts: Experiment | None) -> Iterator[str]:
    """Yield what is not as one would wish, each as a sentence."""
    if learned is None:
        yield "The file of the model is gone: all that is known is what the ledger keeps."
        return
    if not _description(learned):
        yield f"{learned.file} has no docstring: nobody has said what the model is for."
    if counts is None:
        yield "It was never trained."
        return
    if not counts.commit_id:
        yield "It is not known which commit trained it: not all was committed, or there is no git."
    for what, then, today in (
        ("PARAMS", counts.params, {one: learned.params.get(one) for one in counts.params}),
        ("The libraries", counts.libraries, learned.libraries),
    ):
        if differs := _different(then, today):
            yield f"{what} are others by now than those of the training: {differs}."


def _different(then: Mapping[str, Any], today: Mapping[str, Any]) -> str:
    names = [name for name in {**then, **today} if then.get(name) != today.get(name)]
    return ", ".join(f"{name} was {then.get(name)}, and is {today.get(name)}" for name in names)


def _again(name: str, counts: Experiment | None) -> Sequence[str]:
    """Return what to type to do the training that counts again, or the first one."""
    if counts is None:
        return ["etl run"]
    commit = [f"git checkout {counts.commit_id}"] if counts.commit_id else []
    if is_trial(counts):
        return [*commit, f"etl tune {name} --show"]
    return [f"etl reproduce {counts.run_id}"] if counts.run_id else commit
