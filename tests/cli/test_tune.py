"""`etl tune`: trials are told as they end, the best are shown, and the proposal is a patch."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.project import Project
from tests.operations.ml.test_tune import MODEL, _published, network, write_model
from tests.support import tiny

pytest.importorskip("optuna")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = tiny.once(tmp_path, _published)
    write_model(made, MODEL)
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    return made


def test_the_proposal_is_a_patch_that_git_applies(project: Project) -> None:
    done = CliRunner().invoke(cli, ["tune", "guess", "--trials", "9", "--strategy", "random"])
    assert done.exit_code == 0
    assert done.stderr.splitlines()[0].startswith("trial 1: log_loss 1.6434; share = 0.9; ")
    head, _, patch = done.stdout.partition("--- a/")
    assert head.startswith("guess: ") and "the best first" in head and "share = 0." in head

    # what is printed can be applied as it is, whatever stands before it
    subprocess.run(["git", "apply", "-"], input=f"--- a/{patch}", text=True, cwd=project.root, check=True)
    again = CliRunner().invoke(cli, ["tune", "guess", "--show"])
    assert "The parameters of today are as good, so nothing is proposed." in again.stdout
    assert "--- a/" not in again.stdout and again.stderr == ""


def test_what_is_found_is_json_too(project: Project) -> None:
    write_model(project, network("0.3 + abs(width - 24) / 60", "0.9 - width / 100"))
    done = CliRunner().invoke(cli, ["tune", "guess", "--trials", "9", "--json"])
    found = json.loads(done.stdout)
    assert found["chosen"]["complexity"] and found["chosen"]["outcome"] == "trial"
    assert found["proposal"].startswith("--- a/ml/guess.py") and found["rank_correlation"] < 1
    assert {one["rows_share"] for one in found["trials"]} == {0.25, 1.0}
    shown = CliRunner().invoke(cli, ["tune", "guess", "--show"])
    assert "None beats these in both score and complexity:" in shown.stdout


def test_no_further_trial_begins_when_the_time_is_over(project: Project) -> None:
    CliRunner().invoke(cli, ["tune", "guess", "--trials", "9", "--minutes", "0.000001"])
    done = CliRunner().invoke(cli, ["tune", "guess", "--show", "--json"])
    # the parameters of today, and the seeds that show the noise
    assert len(json.loads(done.stdout)["trials"]) == 3
