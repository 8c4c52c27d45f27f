"""The lineage of what a model that learns makes: through FEATURES, and without the column that it tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etl.models import Model
from etl.models.lineage.columns import Expression, Made, Origin, Traced, unique
from etl.models.trained.tables import CHAMPION, DECISIONS, PREDICTIONS, TRAINED, WINDOW, ending_of

#: Which other table of the same model a table is made of.
_FROM = {PREDICTIONS: CHAMPION, CHAMPION: DECISIONS, DECISIONS: TRAINED, TRAINED: WINDOW}
#: What stands in the place of an expression.
_PREDICT = (Expression("predict(model, rows)", 1),)
_TRAIN = (Expression("train(rows, params, report)", 1),)


def trace_learned(model: Model, known: Mapping[str, Sequence[str]]) -> Traced:
    """Return the lineage of a table of a model that learns.

    A prediction is made of the model, and of every column of FEATURES but the label; what is learned, of all.
    """
    base = model.name.removesuffix(ending_of(model.role))
    before = f"{base}{ending_of(_FROM[model.role])}" if model.role in _FROM else ""
    rows = [Origin(read, name) for read in model.reads if not _is_own(read, base) for name in known[read]]
    columns = {name: _made(model, name, before, rows, known) for name, _ in model.stored}
    deciding = [Origin(before, name) for name in ("cut_off", "number") if name in known.get(before, ())]
    return Traced(columns, unique(deciding), model.reads, model.file)


def _is_own(table: str, base: str) -> bool:
    return table in {f"{base}{ending_of(role)}" for role in (*_FROM, WINDOW)}


def _made(
    model: Model, name: str, before: str, rows: Sequence[Origin], known: Mapping[str, Sequence[str]]
) -> Made:
    """Return what a column is made of: the same one of another table, or all that was seen."""
    artefact, of_before = Origin(before, "artefact"), Origin(before, name)
    if model.role == PREDICTIONS:
        if name == "prediction":
            seen = [one for one in rows if one.name.lower() != model.label.lower()]
            return Made(unique([*seen, artefact]), _PREDICT)
        same = of_before if name == "model_version" else next(one for one in rows if one.name == name)
    elif name in known.get(before, ()):
        same = of_before
    elif model.role == DECISIONS:
        return Made(unique([*rows, artefact]))
    else:
        return Made(unique(rows), _TRAIN if model.role == TRAINED else ())
    return Made((same,), (), (same,))
