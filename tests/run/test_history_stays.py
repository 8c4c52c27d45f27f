"""What the history says of a run that is over stays, whatever is done to what the run published."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import astuple
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import PromotionRefused, PublishError
from etl.ledger import Ledger
from etl.ledger.history import History
from etl.operations import environments
from etl.operations.promotion import Promotion
from etl.project import Project, load_project
from etl.reports.history import known_runs, run_details
from etl.stages import published
from tests.operations.test_kinds import CONTRACTS, FEED
from tests.run.test_recording import night
from tests.support import tiny
from tests.support.kinds import SAMPLES
from tests.support.thorough import examples

LAST = date(2024, 3, 20)


def make(root: Path) -> None:
    sql = dict(SAMPLES[kind] for kind in ("table", "incremental", "python", "command"))
    tiny.project(root, CONTRACTS, sql, FEED, settings="threads = 1\n[etl.env.dev]\n[etl.env.prod]\n")


def story(project: Project) -> Mapping[str, Any]:
    """Return all that the history says, by run."""
    history = History(Ledger(project.ledger))
    facts = history.facts()
    return {
        run.run_id: (
            astuple(run),
            facts.get(run.run_id),
            [astuple(row) for row in history.steps([run.run_id])],
            [astuple(row) for row in history.checks([run.run_id])],
        )
        for run in history.ledger.runs()
    }


def good(project: Project) -> None:
    deliver(project)
    night(project)


def failing(step: str) -> Callable[[Project], None]:
    def fails(project: Project) -> None:
        deliver(project)
        night(project, fails=step)

    return fails


def deliver(project: Project) -> None:
    number = len(list((project.raw / "feed").iterdir()))
    tiny.deliver(project, {f"feed/2024-03-{number + 1:02}.csv": FEED["feed/2024-03-01.csv"]})


def rollback(project: Project) -> None:
    with suppress(PublishError):
        published.rollback(project, Ledger(project.ledger), "", "ann", "wrong")


def branch(project: Project) -> None:
    """Work in an environment of its own, which begins with the history of the other one."""
    dev = load_project(project.root, "dev", must_exist=False)
    if not dev.data.exists():
        environments.create("dev")
        assert story(dev) == story(project)
    known, other = story(dev), story(project)
    good(dev)
    assert known.items() <= story(dev).items() and len(story(dev)) == len(known) + 1
    assert story(project) == other


def promote(project: Project) -> None:
    dev = load_project(project.root, "dev", must_exist=False)
    if dev.data.exists() and published.current(dev) and published.current(dev) != published.current(project):
        with suppress(PromotionRefused):
            Promotion(dev, load_project(project.root)).promote("ann")


DONE: Mapping[str, Callable[[Project], None]] = {
    "a night": good,
    "an extract that fails": failing("extract"),
    "an audit that fails": failing("audit"),
    "a rollback": rollback,
    "an environment": branch,
    "a promotion": promote,
}


@settings(max_examples=examples(2), deadline=None)
@given(st.lists(st.sampled_from(sorted(DONE)), min_size=2, max_size=4))
def test_what_is_told_of_a_run_that_is_over_never_changes(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    project = tiny.once(tmp_path_factory.mktemp("law") / "project", make)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETL_PROJECT", str(project.root))
        patch.delenv("ETL_ENV", raising=False)
        for name in ["a night", *names]:
            known = story(project)
            DONE[name](project)
            assert known.items() <= story(project).items(), name


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = tiny.once(tmp_path / "project", make)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    monkeypatch.delenv("ETL_ENV", raising=False)
    return project


def test_a_run_that_was_rolled_back_is_told_as_before_and_in_the_next_published_file(project: Project) -> None:
    good(project)
    good(project)
    bad = published.current(project)
    before = run_details(project, Ledger(project.ledger, is_reading=True), str(bad))

    rollback(project)

    ledger = Ledger(project.ledger, is_reading=True)
    assert run_details(project, ledger, str(bad)) == before
    assert next(run["run_id"] for run in known_runs(project, ledger)) == bad
    (project.sql / "marts/more.sql").write_text("select 1 as one")
    # what came with the one that was rolled back is delivered again
    tiny.deliver(project, {"feed/2024-03-04.csv": FEED["feed/2024-03-02.csv"]})
    good(project)
    assert published.current(project) != bad
    told = {run for (run,) in tiny.published(project, "select distinct run_id from etl.steps")}
    assert {bad, published.current(project)} <= told


def test_a_promotion_brings_no_run_and_takes_none(project: Project) -> None:
    good(project)
    branch(project)
    known = story(project)

    promote(project)

    dev = load_project(project.root, "dev")
    assert published.current(project) == published.current(dev)
    assert story(project) == known
