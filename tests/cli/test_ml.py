"""`etl ml`: trainings beside each other, with their parameters, results and curves."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl.cli.main import cli
from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.ledger.experiments import Experiment, write
from tests.support import tiny


@pytest.fixture(autouse=True)
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Three trainings of a model: the second is the best by auc, the last the best by loss."""
    project = tiny.project(tmp_path)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    found = Ledger(project.ledger)
    for number, (auc, loss) in enumerate([(0.7, 0.5), (0.8, 0.6), (0.75, 0.4)], 1):
        experiment = Experiment(
            experiment_id=f"{number}abcdef",
            model="delay",
            origin="tune",
            started_at=f"2024-03-0{number}T04:00:00+00:00",
            params={"rate": 0.1 * number, "shape": [16, 8]},
            metrics={"auc": auc, "log_loss": loss, "curve": "loss"},
            seed=7,
            verdict="trial",
        )
        write(found, experiment, [("loss", step, loss + 1 / (step + 1)) for step in range(200)])
    return found


def etl(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["ml", *arguments])


def order(*arguments: str) -> list[str]:
    done = etl("runs", "delay", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return [row["experiment_id"][0] for row in json.loads(done.stdout)]


def test_parameters_stand_beside_results_newest_first() -> None:
    lines = etl("runs", "delay").stdout.splitlines()

    assert lines[0].split("\t") == [
        *("id", "started_at", "verdict", "rows", "seconds", "auc", "log_loss", "rate", "shape"),
    ]
    assert lines[1].split("\t") == [
        *("3abcdef", "2024-03-03T04:00:00", "trial", "", "", "0.75", "0.4", "0.3", "[16, 8]"),
    ]
    assert order() == ["3", "2", "1"]


@pytest.mark.parametrize(
    ("sort", "expected"), [("auc", "231"), ("log_loss", "312"), ("rate", "123"), ("started_at", "123")]
)
def test_the_best_comes_first_by_what_is_asked(sort: str, expected: str) -> None:
    assert order("--sort", sort) == [*expected]
    assert order("--sort", sort, "--last", "1") == [expected[0]]


def test_what_a_training_lacks_comes_last(ledger: Ledger) -> None:
    other = Experiment(
        experiment_id="4abcdef",
        model="delay",
        origin="tune",
        started_at="2024-03-04",
        metrics={"auc": float("nan")},
    )
    write(ledger, other)

    assert order("--sort", "auc") == ["2", "3", "1", "4"]
    assert order("--sort", "log_loss") == ["3", "1", "2", "4"]


def test_two_trainings_are_compared_by_what_differs() -> None:
    done = etl("compare", "1", "2")

    assert [line.split("\t") for line in done.stdout.splitlines()[:4]] == [
        ["what", "1abcdef", "2abcdef"],
        ["metrics.auc", "0.7", "0.8"],
        ["metrics.log_loss", "0.5", "0.6"],
        ["params.rate", "0.1", "0.2"],
    ]
    assert "params.shape" in done.stdout.splitlines()[-1]


def test_a_curve_is_drawn() -> None:
    lines = etl("curves", "3").stdout.splitlines()

    assert lines[0] == "loss: 200 steps, 1.4 to 0.405, least 0.405, greatest 1.4"
    assert lines[1].strip()[0] == "█" and lines[1].strip()[-1] == "▁" and len(lines[1].strip()) == 60
    assert len(json.loads(etl("curves", "3", "--json").stdout)["curves"]["loss"]) == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "delays"], "No training of delays is known"),
        (["runs", "delay", "--sort", "acu"], "No training of delay has acu"),
        (["compare", "1", "9"], "There is no training 9"),
        (["curves", "abc"], "There is no training abc"),
    ],
)
def test_what_is_not_there_is_said(arguments: list[str], said: str) -> None:
    done = etl(*arguments)

    assert isinstance(done.exception, ConfigError)
    assert said in str(done.exception)
