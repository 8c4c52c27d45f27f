"""Trainings that leave for MLflow and TensorBoard: what these read is what the ledger keeps, and nothing twice.

Both are read by programs of their own: what they do to a process stays there.
"""

import json
import math
import posixpath
import re
import subprocess
import sys
from contextlib import closing
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.ledger.experiments import FAILED, PRUNED, TRIAL, Experiment, write
from etl.operations.ml.exports import export
from etl.operations.ml.exports.mlflow_runs import mlflow_name
from tests.support import tiny
from tests.support.projects import environment

#: Names and values that one of the two, or a file system, would trip over.
HOSTILE = ["a/../b", "/", ".", "", "loss [%]", "\u202e\x1b[2J", "x" * 400, "x" * 399 + "y", "dépôt"]
TRAININGS = {
    "a" * 16: ({"rate": 0.1, "shape": [16, 8], "is_deep": True, "none": None}, {"auc": 0.7}, TRIAL),
    "b" * 16: ({name: name for name in HOSTILE}, {name: at / 7 for at, name in enumerate(HOSTILE)}, PRUNED),
    "c" * 16: (
        {f"p{at}": at for at in range(250)},
        {"auc": math.nan, "best": math.inf, "role": "search", "days": [[1, 2]] * 9_000, "gone": None},
        FAILED,
    ),
}


def curves(metrics):
    names = [name for name, value in metrics.items() if isinstance(value, float)]
    return [(name, step, 1 / (step + 1)) for name in names for step in range(300)]


def kept(key, params, metrics, verdict):
    return Experiment(
        experiment_id=key,
        model="delay",
        origin="tune",
        started_at="2024-03-01T04:00:00.250000+00:00",
        params=params,
        metrics=metrics,
        seed=7,
        seconds=2.5,
        commit_id="abc",
        libraries={"lightgbm": "4.7.0"},
        fingerprint="f",
        verdict=verdict,
    )


@pytest.fixture
def project(tmp_path):
    project = tiny.project(tmp_path)
    with closing(Ledger(project.ledger)) as ledger:
        for key, (params, metrics, verdict) in TRAININGS.items():
            write(ledger, kept(key, params, metrics, verdict), curves(metrics))
    return project


def in_a_program(code: str, *arguments: object):
    """Return what a program prints as JSON in its last line."""
    if not find_spec("mlflow") or not find_spec("tensorboard"):
        pytest.skip("mlflow and tensorboard are not installed: pip install 'etl[mlflow,tensorboard]'")
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


EXPORT = """
import json, sys
from pathlib import Path
from etl.ledger import Ledger
from etl.ledger.experiments import of_model, write
from dataclasses import replace
from etl.operations.ml.exports import export
from etl.project import load_project

root, to, out = sys.argv[1:]
project = load_project(Path(root))
ledger = Ledger(project.ledger)
def again():
    return export(project, ledger, "delay", to, out)["written"]
"""
MLFLOW = f"""{EXPORT}
from mlflow.tracking import MlflowClient
counts = [again(), again()]
client = MlflowClient(f"sqlite:///{{out}}/mlflow.db")
(found,) = [one for one in client.search_experiments() if one.name != "Default"]
runs = {{run.data.tags["etl.experiment_id"]: run for run in client.search_runs([found.experiment_id])}}
steps = {{key: [[m.step, m.value] for m in client.get_metric_history(run.info.run_id, "curve/auc")]
         for key, run in runs.items()}}
# one that was cut off, and one that has changed
client.delete_tag(runs["a" * 16].info.run_id, "etl.content")
write(ledger, replace(of_model(ledger, "delay")[1], verdict="champion"))
counts += [again(), again()]
left = client.search_runs([found.experiment_id])
print(json.dumps({{
    "counts": counts, "name": found.name, "steps": steps, "left": len(left),
    "verdicts": sorted(run.data.tags["etl.verdict"] for run in left),
    "runs": {{key: {{"status": run.info.status, "params": run.data.params, "metrics": run.data.metrics,
                    "tags": run.data.tags, "took": run.info.end_time - run.info.start_time}}
             for key, run in runs.items()}},
}}))
"""


def test_mlflow_has_each_training_once_with_all_that_is_kept_of_it(project, tmp_path):
    found = in_a_program(MLFLOW, project.root, "mlflow", tmp_path / "store")

    assert found["counts"] == [3, 0, 2, 0] and found["left"] == 3
    assert found["verdicts"] == ["champion", "failed", "trial"]
    assert found["name"] == f"{project.root.name}/delay"
    first, hostile, failed = (found["runs"][letter * 16] for letter in "abc")
    assert first["params"] == {"rate": "0.1", "shape": "[16, 8]", "is_deep": "true", "none": "null"}
    assert first["metrics"] == {"auc": 0.7, "curve/auc": 1 / 300} and first["took"] == 2_500
    assert found["steps"]["a" * 16] == [[step, 1 / (step + 1)] for step in range(300)]
    assert (first["status"], hostile["status"], failed["status"]) == ("FINISHED", "KILLED", "FAILED")
    told = {"etl.seed": "7", "etl.fingerprint": "f", "etl.library.lightgbm": "4.7.0", "etl.origin": "tune"}
    assert told.items() <= first["tags"].items() and first["tags"]["mlflow.source.git.commit"] == "abc"
    # an empty value is none, and no two names became one
    assert sorted(hostile["params"].values()) == sorted(HOSTILE)
    assert {at / 7 for at, _ in enumerate(HOSTILE)} <= set(hostile["metrics"].values())
    assert len(hostile["metrics"]) == 2 * len(HOSTILE)
    assert len(failed["params"]) == 250
    assert failed["tags"]["etl.metric.days"].endswith("characters)")


TENSORBOARD = f"""{EXPORT}
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

def plain(values):
    return {{name: getattr(one, one.WhichOneof("kind")) for name, one in values.items()}}

counts = [again()]
before = {{str(path): path.read_bytes() for path in Path(out).rglob("*") if path.is_file()}}
counts.append(again())
assert before == {{str(path): path.read_bytes() for path in Path(out).rglob("*") if path.is_file()}}
told = {{}}
for path in before:
    read = EventAccumulator(path, size_guidance={{"scalars": 0}}).Reload()
    summary = read.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(summary)
    told[Path(path).parent.name] = {{
        "hparams": {{name: getattr(one, one.WhichOneof("kind")) for name, one in start.hparams.items()}},
        "scalars": {{tag: [[e.step, e.value, e.wall_time] for e in read.Scalars(tag)]
                    for tag in read.Tags()["scalars"]}},
    }}
write(ledger, replace(of_model(ledger, "delay")[1], verdict="champion"))
counts += [again(), again()]
print(json.dumps({{"counts": counts, "told": told, "files": len(list(Path(out).rglob("*tfevents*")))}}))
"""


def test_tensorboard_has_each_training_once_with_parameters_beside_results(project, tmp_path):
    found = in_a_program(TENSORBOARD, project.root, "tensorboard", tmp_path / "boards")

    assert found["counts"] == [3, 0, 1, 0] and found["files"] == 3
    first, hostile = (found["told"][letter * 12] for letter in "ab")
    assert first["hparams"] == {
        "rate": 0.1, "shape": "[16, 8]", "is_deep": True, "none": "null", "etl.verdict": "trial",
    }  # fmt: skip
    assert [step for step, *_ in first["scalars"]["curve/auc"]] == list(range(300))
    assert first["scalars"]["auc"] == [[0, pytest.approx(0.7), 1709265600.25]]
    assert {*HOSTILE} < {*hostile["hparams"]} and {f"curve/{name}" for name in HOSTILE} < {*hostile["scalars"]}


def test_without_their_libraries_the_command_says_how_to_install_them(project, tmp_path, monkeypatch):
    for name in ("mlflow.tracking", "tensorboard.compat.proto.event_pb2"):
        monkeypatch.setitem(sys.modules, name, None)
    for to in ("mlflow", "tensorboard"):
        with (
            pytest.raises(ConfigError, match=rf"pip install 'etl\[{to}\]'"),
            closing(Ledger(project.ledger)) as own,
        ):
            export(project, own, "delay", to, str(tmp_path / "out"))


class Killed(BaseException):
    """What ends an export at once."""


class Store:
    """A store of runs that does as MLflow's client does, talks, and is killed in the call of some number."""

    def __init__(self) -> None:
        self.runs: dict[str, SimpleNamespace] = {}
        self.calls, self.killed_in = 0, 0

    def __getattr__(self, name: str):
        def call(*arguments, **options):
            self.calls += 1
            if self.calls == self.killed_in:
                raise Killed
            print(f"calling {name}")
            return getattr(self, f"do_{name}")(*arguments, **options)

        return call

    def do_get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id="1", lifecycle_stage="active")

    def do_search_runs(self, experiments, max_results, page_token):
        return Page(self.runs.values())

    def do_create_run(self, experiment, start_time, tags, run_name):
        run = SimpleNamespace(
            info=SimpleNamespace(run_id=f"{self.calls}", status="RUNNING"),
            data=SimpleNamespace(tags=dict(tags), params={}, metrics={}),
        )
        self.runs[run.info.run_id] = run
        return run

    def do_log_batch(self, run, params=(), tags=(), metrics=()):
        data = self.runs[run].data
        data.params |= dict(params)
        data.tags |= dict(tags)
        data.metrics |= {(name, step): value for name, value, _, step in metrics}

    def do_set_terminated(self, run, status, end_time):
        self.runs[run].info.status = status

    def do_set_tag(self, run, name, value):
        self.runs[run].data.tags[name] = value

    def do_delete_run(self, run):
        del self.runs[run]

    def all(self):
        return sorted((run.info.status, run.data) for run in self.runs.values())


class Page(list):
    token = None


@pytest.fixture
def store(monkeypatch):
    """A store in the place of MLflow's."""
    found = Store()
    client = SimpleNamespace(MlflowClient=lambda address: found)
    pairs = {name: lambda *values: values for name in ("Metric", "Param", "RunTag")}
    for name, module in (
        ("mlflow", None),
        ("mlflow.tracking", client),
        ("mlflow.entities", SimpleNamespace(**pairs)),
    ):
        monkeypatch.setitem(sys.modules, name, module or SimpleNamespace())
    return found


def test_an_export_that_was_killed_anywhere_ends_as_one_that_was_not(project, store, tmp_path, capsys):
    def done():
        with closing(Ledger(project.ledger)) as own:
            return export(project, own, "delay", "mlflow", str(tmp_path / "out"))["written"]

    assert done() == 3
    whole, calls = store.all(), store.calls
    for number in range(1, calls + 1):
        store.runs, store.calls, store.killed_in = {}, 0, number
        with pytest.raises(Killed):
            done()
        store.killed_in = 0
        done()
        assert store.all() == whole, number
        assert done() == 0
    # what the store says is not what the command says
    assert "calling" in (said := capsys.readouterr()).err and said.out == ""


@pytest.mark.parametrize("out", [None, "", "luigi.cfg/boards"])
def test_a_place_that_cannot_be_written_is_said(project, out, monkeypatch):
    monkeypatch.chdir(project.root)
    with pytest.raises(ConfigError, match="--out"), closing(Ledger(project.ledger)) as own:
        export(project, own, "delay", "tensorboard", out)


names = (
    st.text(st.sampled_from("aB./ -_%é\0"), max_size=6) | st.text() | st.text("x/.", min_size=248, max_size=253)
)


@given(names, names)
def test_mlflow_takes_every_name_and_tells_any_two_apart(one, other):
    name = mlflow_name(one)

    assert re.fullmatch(r"[/\w.\- :]{1,250}", name) and not name.startswith(("/", ".."))
    assert posixpath.normpath(name) == name != "."
    assert (name == mlflow_name(other)) == (one == other)
