"""`etl runs`, `etl show` and `etl logs`: what was run, what it did, and what it said."""

import json
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.cli.runs import _bar
from etl.errors import ConfigError, lasting
from etl.ledger import Ledger
from etl.operations.environments import create
from etl.project import Project
from tests.run.test_recording import night
from tests.support import tiny

LAST = date(2024, 3, 20)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose first night failed at its audit, and whose second one published."""
    project = tiny.once(tmp_path / "shop", tiny.project)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    monkeypatch.setenv("ETL_TRIGGER", "watch")
    night(project, fails="audit")
    night(project)
    return project


def answer(*arguments: str) -> str:
    """Return what a command prints; its error is raised."""
    result = CliRunner().invoke(cli, arguments)
    if result.exception:
        raise result.exception
    return result.output


def test_the_runs_are_listed_newest_first(project: Project) -> None:
    names, *rows = [line.split("\t") for line in answer("runs").splitlines()]
    assert names == ["run", "begun", "batch date", "result", "took", "by", "rows", "rejected", "failed"]
    assert [(row[2], row[3], row[5], row[8]) for row in rows] == [
        ("2024-03-20", "published", "watch", ""),
        ("2024-03-20", "failed", "watch", "audit"),
    ]
    assert [row[6] for row in rows] == ["", "3"]
    assert len(answer("runs", "--last", "1").splitlines()) == 2
    assert len(answer("runs", "--failed").splitlines()) == 2


def test_a_run_is_whole_in_json(project: Project) -> None:
    (failed,) = json.loads(answer("runs", "--failed", "--json"))
    assert (failed["state"], failed["failed"], failed["skipped"], failed["rows"]) == ("failed", ["audit"], 1, 3)
    assert failed["user"] and failed["host"] and failed["command"] and failed["cpu_seconds"] > 0

    shown = json.loads(answer("show", failed["run_id"], "--json"))
    assert shown.items() >= failed.items()
    assert [(step["step"], step["outcome"]) for step in shown["steps"]] == [
        ("plan", "done"),
        ("extract", "done"),
        ("load", "done"),
        ("transform", "done"),
        ("audit", "failed"),
        ("publish", "skipped"),
    ]
    assert all(step["why"] for step in shown["steps"][1:])


def test_a_run_is_shown_as_a_tree_with_what_failed_and_what_to_do(project: Project) -> None:
    shown = answer("show", "failed")
    assert "└─ marts.items\tdone" in shown
    assert "audit failed: The disk is gone." in shown
    assert "skipped: publish. It waits for audit, which failed." in shown
    assert shown.rstrip().endswith("To do the rest: etl run")
    assert "published" in answer("show").splitlines()[0]
    assert answer("show", "last") == answer("show")


def test_a_log_is_told_line_by_line_and_step_by_step(project: Project) -> None:
    lines = [json.loads(line) for line in answer("logs", "failed", "--json").splitlines()]
    assert {"load", "audit"} <= {line["step"] for line in lines}
    assert "audit: failed: The disk is gone." in answer("logs", "failed")
    assert {json.loads(line)["step"] for line in answer("logs", "failed", "sales", "--json").splitlines()} == {
        "extract",
        "load",
    }
    with pytest.raises(ConfigError, match=r"says nothing of laod\. Did you mean load"):
        answer("logs", "failed", "laod")


def test_what_was_said_of_models_in_one_go_is_said_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql = {f"marts/m{n}.sql": "select count(*) as n from raw.sales" for n in range(3)}
    project = tiny.project(tmp_path / "many", sql=sql)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    night(project)

    of_all = answer("logs", "last", "transform")
    assert "built marts.m0, marts.m1, marts.m2" in of_all
    for name in ("marts.m0", "marts.m2", "transform marts.m1"):
        assert answer("logs", "last", name) == of_all
    with pytest.raises(ConfigError, match=r"says nothing of marts.m4\. Did you mean marts.m"):
        answer("logs", "last", "marts.m4")


def test_what_is_not_there_is_said(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="The history has no run 1999"):
        answer("show", "1999")
    with pytest.raises(ConfigError, match="2 runs begin with 20"):
        answer("show", "20")
    (project.logs / f"{Ledger(project.ledger).runs()[0].run_id}.jsonl").unlink()
    with pytest.raises(ConfigError, match="There is no log of run"):
        answer("logs")
    empty = tiny.project(tmp_path / "empty")
    monkeypatch.setenv("ETL_PROJECT", str(empty.root))
    for name, said in (("last", "There was no run yet"), ("failed", "No run of the history failed")):
        with pytest.raises(ConfigError, match=said):
            answer("show", name)


def test_an_environment_has_the_history_of_the_one_that_it_was_made_of(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    create("dev")
    monkeypatch.setenv("ETL_ENV", "dev")
    assert [line.split("\t")[5] for line in answer("runs").splitlines()[1:]] == ["watch, prod", "watch, prod"]
    assert "environment prod" in answer("show")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.04, "0:00:00.0"), (2.6, "0:00:02.6"), (59.96, "0:01:00.0"), (3725.3, "1:02:05.3")],
)
def test_a_duration_is_read_as_a_clock(seconds: float | None, text: str) -> None:
    assert lasting(seconds) == text


@pytest.mark.parametrize(
    ("begins", "seconds", "bar"),
    [
        ("00", 12.0, "████████████············"),
        ("12", 12.0, "············████████████"),
        ("23", 0.001, "·······················█"),
        ("24", 9.0, "·······················█"),
    ],
)
def test_a_bar_is_where_a_step_was_in_its_run(begins: str, seconds: float, bar: str) -> None:
    run = {"started_at": "2024-03-01T00:00:00+00:00", "seconds": 24.0}
    assert _bar({"started_at": f"2024-03-01T00:00:{begins}+00:00", "seconds": seconds}, run) == bar
