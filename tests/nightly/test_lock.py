"""One run at a time: a second one stops at once and says who is there; a dead one is in nobody's way."""

import json

import pytest


@pytest.fixture
def busy(project, tools):
    """A project in which a night is under way; one of its models never ends."""
    (project.root / "sql" / "marts" / "slow.sql").write_text(
        "-- One row.\nselect sum(hash(n)) as n from range(2000000000000) as t(n)\n"
    )
    process = project.start("Nightly", "--date", tools.DATE)
    try:
        tools.wait_for(lambda: (project.data / "warehouse" / "build.duckdb").exists())
        yield project, process
    finally:
        if process.poll() is None:
            tools.kill(process)


def test_a_second_run_stops_at_once_and_says_who_holds_the_project(busy) -> None:
    project, process = busy

    night = project.nightly()

    assert night.exit_code == 10, str(night)
    assert f"Another run of {project.root} is under way: run " in night.output
    assert f"process {process.pid} on " in night.output
    assert "Traceback" not in night.output
    assert process.poll() is None


@pytest.mark.parametrize("task", ["Backfill --start 2018-05-24 --stop 2018-05-27", "PublishedWarehouse"])
def test_any_other_entry_stops_too(busy, task) -> None:
    project, _ = busy

    assert project.run(*task.split()).exit_code == 10


def test_the_lock_of_a_dead_process_blocks_nobody(busy, tools) -> None:
    project, process = busy
    tools.kill(process)
    project.edit("sql/marts/slow.sql", "2000000000000", "2")

    project.published()

    assert json.loads((project.data / ".lock").read_text())["run_id"] == project.generation


def test_a_run_that_was_turned_away_leaves_no_trace(busy) -> None:
    project, _ = busy
    runs = project.ledger("select run_id from runs")

    project.nightly()

    assert project.ledger("select run_id from runs") == runs


def test_two_projects_do_not_stop_each_other(busy, make_project) -> None:
    make_project("other").published()
