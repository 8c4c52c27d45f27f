"""The tables of a model that learns, made in the night: its window, what it learned, decisions, predictions."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from etl.engine.quoting import identifier, literal
from etl.engine.row_hashes import row_hashes
from etl.errors import TransformError
from etl.ledger import digest, now
from etl.ledger.experiments import NIGHT, Experiment
from etl.models.asked import Columns
from etl.models.trained.retrain import NEVER, cut_off, drift_limit
from etl.models.trained.tables import (
    CHAMPION,
    DECISIONS,
    PREDICTIONS,
    TRAINED,
    WINDOW,
    columns_of,
    normal_of,
    table_of,
)
from etl.stages.trained.artefact import Lost, packed, unpacked, version_of
from etl.stages.trained.decisions import as_learned, decided
from etl.stages.trained.drift import largest_drift
from etl.stages.trained.judges import is_negative, judged
from etl.stages.trained.task import Row, Task
from etl.stages.trained.training import Trainer

log = logging.getLogger("etl")


def make(role: str, task: Task) -> Any:
    """Return the rows of a table by its role, as an Arrow table.

    Raises TransformError for what its user can remove, and whatever the model's own code raises.
    """
    try:
        made = _MAKERS[role](task)
    except Lost as error:
        trained = table_of(task.learned, TRAINED)
        raise TransformError(
            f"{task.learned.file}: {error} To train it again, type `etl clear {trained}` and then `etl run`."
        ) from None
    return arrow(made, columns_of(role)) if isinstance(made, list) else made


def arrow(rows: Sequence[Mapping[str, Any]], columns: Columns) -> Any:
    """Return rows as an Arrow table of the given columns."""
    import pyarrow as pa

    whole, number, day = pa.int64(), pa.float64(), pa.date32()
    types = {"VARCHAR": pa.string(), "BIGINT": whole, "DOUBLE": number, "DATE": day, "BLOB": pa.binary()}
    schema = pa.schema([(name, types[type]) for name, type in columns])
    return pa.Table.from_pylist([{name: row[name] for name, _ in columns} for row in rows], schema=schema)


def _window(task: Task) -> list[Row]:
    """Return up to when is learned and judged, and what stands for the rows; nothing if there is no such row."""
    learned, rows = task.learned, task.rows
    newest = rows.newest()
    if newest is None:
        return []
    end = _cut_off(task, newest)
    until = end - timedelta(learned.held_out)
    table, where = rows.labelled_before(end)
    columns = [(row[0], row[1]) for row in task.con.execute(f"describe {table}").fetchall()]
    day = f"cast({identifier(learned.time)} as date)"
    found = task.con.execute(
        f"select count(*) filter ({day} < {literal(until)}), count(*) filter ({day} >= {literal(until)}), "
        f"{row_hashes(task.con, learned.features, columns)} from {table} where {where}"
    ).fetchall()
    trained, held_out, content = found[0]
    if not trained or not held_out:
        log.warning(
            "warning: %s is not trained yet: %s has %s rows to learn from before %s, and %s to judge by up to %s",
            learned.file, learned.features, f"{trained:,}", until, f"{held_out:,}", end,
        )  # fmt: skip
        return []
    values = end, until, trained, held_out, content
    return [dict(zip((name for name, _ in columns_of(WINDOW)), values, strict=True))]


def _cut_off(task: Task, newest: date) -> date:
    """Return the cut-off: a kept one, unless the data moves it."""
    learned, first = task.learned, cut_off(task.learned.retrain, newest)
    kept: date | None = next((row["cut_off"] for row in task.before if row["cut_off"] <= newest), None)
    limit = drift_limit(learned.retrain)
    if learned.retrain == NEVER or limit is not None:
        if kept is None:
            return first
        until = kept - timedelta(learned.held_out)
        if limit is not None and largest_drift(task.con, learned, until) > limit:
            return newest
        return kept
    return first


def _trained(task: Task) -> list[Row]:
    """Train on the rows before the held out days, and judge by these; return what was learned."""
    windows = task.read(WINDOW)
    if not windows:
        return []
    (window,), learned = windows, task.learned
    if double := task.rows.double():
        raise TransformError(
            f"{learned.place('KEY')}: KEY: several rows of {learned.features} have {double}, so that they have no "
            "order. Name the columns that tell rows apart."
        )
    curves: dict[tuple[str, int], float] = {}
    begun, started, cpu = now(), time.monotonic(), time.process_time()
    with Trainer.plainly(learned) as trainer:
        row = _learn(task, trainer, window, curves)
    key = digest(learned.name, normal_of(learned, TRAINED), {name: str(value) for name, value in window.items()})
    row["experiment_id"] = key
    experiment = Experiment(
        experiment_id=key,
        model=learned.name,
        origin=NIGHT,
        started_at=begun,
        cut_off=str(window["cut_off"]),
        params=learned.params,
        metrics=json.loads(row["metrics"]),
        seed=learned.seed,
        libraries=learned.libraries,
        rows=window["trained_rows"],
        seconds=round(time.monotonic() - started, 3),
        cpu_seconds=round(time.process_time() - cpu, 3),
        fingerprint=window["content"],
        model_version=row["model_version"],
    )
    task.heard.keep(experiment, [(name, step, value) for (name, step), value in curves.items()])
    return [row]


def _learn(task: Task, trainer: Trainer, window: Row, curves: dict[tuple[str, int], float]) -> Row:
    learned, rows = trainer.learned, task.rows
    until, end = window["trained_until"], window["cut_off"]

    def report(step: int, name: str, value: float) -> None:
        curves[name, int(step)] = float(value)

    seen = rows.before(until)
    format, artefact = packed(trainer.train(seen, learned.params, report, learned.seed))
    judging = rows.between(until, end)
    said = trainer.predict(unpacked(format, artefact), judging)
    score = judged(learned.gate, judging[learned.label], said)
    asked = {learned.label, *learned.key, learned.time}
    code = json.dumps(dict(learned.code.texts))
    libraries = json.dumps(dict(learned.libraries), sort_keys=True)
    version = version_of(format, artefact, code, libraries)
    format, artefact = task.artefacts.kept(format, artefact)
    return {
        "model_version": version,
        "cut_off": end,
        "trained_until": until,
        "trained_rows": len(seen),
        "features": json.dumps([name for name in seen.columns if name not in asked]),
        "params": json.dumps(learned.params, sort_keys=True),
        "seed": learned.seed,
        "libraries": libraries,
        "metrics": json.dumps(
            {learned.gate: -score if is_negative(learned.gate) else score, "held_out_rows": len(judging)}
        ),
        "experiment_id": "",
        "code": code,
        "format": format,
        "artefact": artefact,
    }


def _decisions(task: Task) -> list[Row]:
    trained = task.read(TRAINED)
    return decided(task, trained[0]) if trained else list(task.before)


def _champion(task: Task) -> list[Row]:
    made = [row for row in task.read(DECISIONS) if row["artefact"] is not None]
    return [task.artefacts.used(row) for row in sorted(made, key=lambda row: row["number"])[-1:]]


def _predictions(task: Task) -> Any:
    """Return what the champion says of each row, be it labelled or not."""
    import numpy as np
    import pyarrow as pa

    rows, champions = task.rows, task.read(CHAMPION)
    keys = rows.keys(task.days)
    if not champions:
        return _with(keys.slice(0, 0), pa.array([], pa.float64()), "")
    if double := rows.double():
        raise TransformError(f"{task.learned.place('KEY')}: KEY: several rows have {double}. They must differ.")
    (champion,) = champions
    with Trainer.plainly(as_learned(task.learned, champion)) as trainer:
        said = trainer.predict(task.artefacts.model(champion), rows.of_days(task.days)) if len(keys) else []
    values = np.asarray(said, dtype="float64")
    if values.shape != (len(keys),):
        raise ValueError(f"predict() returned {values.shape} predictions for {len(keys):,} rows. Return one each")
    return _with(keys, pa.array(values, pa.float64()), champion["model_version"])


def _with(keys: Any, said: Any, version: str) -> Any:
    import pyarrow as pa

    versions = pa.array([version] * len(said), pa.string())
    return keys.append_column("prediction", said).append_column("model_version", versions)


_MAKERS: Mapping[str, Callable[[Task], Any]] = {
    WINDOW: _window,
    TRAINED: _trained,
    DECISIONS: _decisions,
    CHAMPION: _champion,
    PREDICTIONS: _predictions,
}
