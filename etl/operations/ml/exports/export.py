"""`etl ml export`: all trainings of a model, written to where another tool reads them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from etl.errors import ConfigError, unknown
from etl.ledger import Ledger
from etl.ledger.experiments import models_of
from etl.operations.ml.exports.mlflow_runs import ADDRESS, to_mlflow
from etl.operations.ml.exports.tensorboard_files import to_tensorboard
from etl.operations.ml.exports.training import Training, trainings
from etl.project import Project

#: What writes trainings of a project's model to a place, and returns how many, and what to type to look at them.
Writer = Callable[[Sequence[Training], str, str], tuple[int, str]]
TARGETS: dict[str, Writer] = {"mlflow": to_mlflow, "tensorboard": to_tensorboard}


def export(project: Project, ledger: Ledger, model: str, to: str, out: str | None = None) -> dict[str, Any]:
    """Write all trainings of a model to `out` for a tool of TARGETS; those that are there already stay.

    Without `out` they go to where MLflow is told to look. Raises ConfigError for a model that was never trained,
    without the tool's library, and for a place that cannot be written or is not said.
    """
    out = out or (os.environ.get(ADDRESS, "").strip() if to == "mlflow" else "")
    if not out:
        raise ConfigError(f"It is not said where to write to. Type: etl ml export {model} --to {to} --out FOLDER")
    known = models_of(ledger)
    if model not in known:
        raise ConfigError(unknown(f"No training of {model} is known", model, known))
    found = trainings(ledger, model)
    written, look = TARGETS[to](found, f"{project.root.name}/{model}", out)
    return {"model": model, "to": to, "trainings": len(found), "written": written, "look": look}
