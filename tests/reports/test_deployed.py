"""What was deployed: commits, by when they ran, where, and what they published."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.ledger import Ledger
from etl.operations.environments import create
from etl.operations.promotion import Promotion
from etl.project import Project, load_project
from etl.reports.deployed import deployed
from etl.stages import published
from tests.support import tiny
from tests.support.told import night

ONE, TWO = "1" * 40, "2" * 40


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))
    return tiny.project(tmp_path)


def test_a_commit_has_one_line_until_another_one_runs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    generations = []
    for commit, day in ((ONE, "01"), (ONE, "02"), (ONE, "02"), (TWO, "03"), (ONE, "04")):
        monkeypatch.setenv("ETL_COMMIT", commit)
        tiny.deliver(project, {f"sales/2024-03-{day}.csv": f"id,item\n{int(day)}0,cup\n"})
        night(project, f"2024-03-{day}")
        generations.append(published.current(project))

    third, second, first = deployed(project)

    assert [(one.commit, one.runs, one.is_dirty) for one in (first, second, third)] == [
        (ONE, 3, False),
        (TWO, 1, False),
        (ONE, 1, False),
    ]
    assert first.generations == generations[:2] and second.generations == [generations[3]]
    assert (third.current, second.current, first.current) == (generations[4], "", "")
    assert first.outcome == "unchanged" and third.outcome == "published" and first.until < second.since
    assert third.environment == "prod"


def test_a_generation_is_known_when_its_file_is_gone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_COMMIT", ONE)
    night(project, "2024-03-02")
    name = published.current(project)
    assert name
    Ledger(project.ledger).forget_generation(name)

    (one,) = deployed(project)

    assert one.generations == [name]


@pytest.mark.parametrize(
    ("said", "commit", "is_dirty"),
    [(ONE, ONE, False), (f"{TWO}-dirty", TWO, True), ("canary-secret", "", None), ("", "", None)],
)
def test_what_the_image_says_of_its_commit(
    project: Project, monkeypatch: pytest.MonkeyPatch, said: str, commit: str, is_dirty: bool | None
) -> None:
    monkeypatch.setenv("ETL_COMMIT", said)
    night(project, "2024-03-02")

    (one,) = deployed(project)

    assert (one.commit, one.is_dirty) == (commit, is_dirty)
    record = published.read_record(project.current)
    assert record and record.is_committed == (is_dirty is False)


def test_a_promotion_counts_for_the_commit_of_what_is_promoted(tmp_path: Path) -> None:
    prod = tiny.project(tmp_path, settings="threads = 1\n[etl.env.staging]\n")
    staging = load_project(prod.root, "staging")
    tiny.night(staging, git_commit=TWO)
    name = published.current(staging)
    tiny.night(prod, git_commit=ONE)
    tiny.deliver(staging, {"sales/2024-03-03.csv": "id,item\n4,cup\n"})
    tiny.night(staging, git_commit=TWO)
    promotion = Promotion(staging, prod)
    assert not promotion.is_done()
    promotion.promote("ann")

    found = {(one.environment, one.commit): one for one in deployed(prod)}

    now = published.current(prod)
    assert found["prod", TWO].generations == [now] and found["prod", TWO].current == now
    assert (found["prod", TWO].runs, found["prod", TWO].origin) == (0, "staging")
    assert found["prod", ONE].current == "" and found["staging", TWO].generations == [name, now]


def test_a_copied_environment_has_deployed_nothing_yet(project: Project) -> None:
    night(project, "2024-03-02")
    create("dev")

    assert [one.environment for one in deployed(project)] == ["prod"]


def test_the_command_lists_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_COMMIT", f"{ONE}-dirty")
    night(project, "2024-03-02")

    names, row = [line.split("\t") for line in CliRunner().invoke(cli, ["deployed"]).output.splitlines()]
    (one,) = json.loads(CliRunner().invoke(cli, ["deployed", "--json"]).output)

    assert (
        dict(zip(names, row, strict=True)).items()
        >= {
            "commit": "1111111111 and changes",
            "environment": "prod",
            "runs": "1",
            "generations": "1",
        }.items()
    )
    assert one["commit"] == ONE and one["generations"] == [one["current"]]
