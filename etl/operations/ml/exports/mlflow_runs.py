"""Trainings as runs of MLflow: parameters, metrics, curves, and tags that say where each comes from."""

from __future__ import annotations

import json
import os
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from shlex import quote
from typing import Any

from etl.errors import ConfigError, EtlError, cut, sentence
from etl.ledger import fingerprint
from etl.ledger.experiments import FAILED, PRUNED
from etl.operations.ml.exports.training import Training
from etl.project.secret import without_secrets

#: The tags by which a run is known again, and by which it is known to be whole: that one is written last.
_ID_TAG, _WHOLE_TAG = "etl.experiment_id", "etl.content"
#: What MLflow takes at once, and how long names and values may be.
_METRICS, _TEXTS, _NAME, _VALUE = 1_000, 100, 250, 5_000
_STATUS = {FAILED: "FAILED", PRUNED: "KILLED"}
#: It reports to nobody, says only what goes wrong, and does not wait long for a server.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
#: The variable by which MLflow itself is told where its store is.
ADDRESS = "MLFLOW_TRACKING_URI"


def to_mlflow(found: Sequence[Training], name: str, out: str) -> tuple[int, str]:
    """Write each training as a run of the experiment `name`; one that has changed takes the place of its run.

    `out` is a folder, which gets a tracking store, or the address of a server or of a database. Raises ConfigError
    without the library, and if the store takes nothing.
    """
    address, look = _store(out)
    # it tells the address of each run there, and standard output is the command's own
    with _set(_QUIET), redirect_stdout(sys.stderr):
        try:
            from mlflow.tracking import MlflowClient
        except ImportError:
            raise ConfigError("MLflow is not installed. Type: pip install 'etl[mlflow]'") from None
        try:
            return _Runs(MlflowClient(address), name).write(found), look
        except EtlError:
            raise
        except Exception as error:
            # its own errors, and those of the libraries below it
            why = cut(without_secrets(str(error).partition("\n")[0]), 300)
            raise ConfigError(
                sentence(f"MLflow has not taken all trainings: {why}") + " Once the cause is gone, type it again."
            ) from None


def _store(out: str) -> tuple[str, str]:
    """Return the address of a store, and what to type to look at it."""
    if "://" in out or out == "databricks":
        is_server = out.startswith(("http://", "https://")) or out == "databricks"
        shown = without_secrets(out, (ADDRESS,))
        return out, f"open {shown}" if is_server else f"mlflow ui --backend-store-uri {quote(shown)}"
    folder = Path(out).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out} cannot be made: {error.strerror}. Name another folder with --out.") from None
    address = f"sqlite:///{folder / 'mlflow.db'}"
    return address, f"mlflow ui --backend-store-uri {quote(address)}"


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """Have variables of the environment that nobody has set meanwhile."""
    unset = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(unset)
    try:
        yield
    finally:
        for name in unset:
            os.environ.pop(name, None)


class _Runs:
    """The runs of one experiment of MLflow."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        there = client.get_experiment_by_name(mlflow_name(name))
        if there is not None and there.lifecycle_stage != "active":
            raise ConfigError(
                f"The experiment {name} is deleted in MLflow. Restore it there, or remove it for good."
            )
        self._experiment = there.experiment_id if there else client.create_experiment(mlflow_name(name))

    def write(self, found: Sequence[Training]) -> int:
        """Write those that are not there as they are; return how many."""
        known: dict[str, list[Any]] = {}
        for run in self._known():
            known.setdefault(run.data.tags.get(_ID_TAG, ""), []).append(run)
        written = 0
        for one in found:
            runs = known.get(one.id, [])
            kept = [run for run in runs if run.data.tags.get(_WHOLE_TAG) == one.content][:1]
            if not kept:
                self._write(one)
                written += 1
            # what was cut off, has changed since, or was written twice at once
            for run in runs:
                if run not in kept:
                    self._client.delete_run(run.info.run_id)
        return written

    def _known(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs([self._experiment], max_results=1_000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _write(self, one: Training) -> None:
        from mlflow.entities import Metric, Param, RunTag

        started, ended = (round(1000 * moment) for moment in (one.started, one.ended))
        run = self._client.create_run(
            self._experiment, start_time=started, tags={_ID_TAG: one.id}, run_name=one.id[:12]
        ).info.run_id
        facts = {**one.facts, "mlflow.source.type": "JOB", "mlflow.source.name": "etl"}
        if commit := one.facts.get("etl.commit_id"):
            facts["mlflow.source.git.commit"] = commit
        params = [Param(mlflow_name(name), _value(value)) for name, value in one.params.items()]
        tags = [RunTag(mlflow_name(name), _value(value)) for name, value in facts.items()]
        metrics = [Metric(mlflow_name(name), value, ended, 0) for name, value in one.metrics.items()]
        metrics += [
            Metric(mlflow_name(f"curve/{name}"), value, started, step)
            for name, steps in one.curves.items()
            for step, value in steps
        ]
        for part in _parts(params, _TEXTS):
            self._client.log_batch(run, params=part)
        for part in _parts(tags, _TEXTS):
            self._client.log_batch(run, tags=part)
        for part in _parts(metrics, _METRICS):
            self._client.log_batch(run, metrics=part)
        self._client.set_terminated(run, _STATUS.get(one.verdict, "FINISHED"), end_time=ended)
        self._client.set_tag(run, _WHOLE_TAG, one.content)


def _parts(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def mlflow_name(name: str) -> str:
    """Return a name that MLflow takes: another one for each name, and the name itself if it can be."""
    fitting = re.sub(r"[^\w\-./ :]", "_", name) or "_"
    if posixpath.normpath(fitting) != fitting or fitting.startswith(("/", "..")) or fitting == ".":
        # a path that leads elsewhere
        fitting = re.sub(r"[/.]", "_", fitting)
    if fitting == name and len(name) <= _NAME:
        return name
    return f"{fitting[: _NAME - 20]}-{fingerprint(name)}"


def _value(value: object) -> str:
    return cut(value if isinstance(value, str) else json.dumps(value), _VALUE)
