"""Looking at build.duckdb from beside a run: neither the one who looks nor the run is stopped."""

from pathlib import Path

import pytest

from etl.engine import connections
from etl.errors import StepError
from etl.ledger import Ledger, stamp
from etl.project import Project
from etl.stages.warehouse import look, open_build
from tests.support import tiny


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = tiny.project(tmp_path)
    tiny.night(made)
    return made


def test_what_is_built_is_told_with_its_sql_and_the_file_is_closed_again(project: Project) -> None:
    before = stamp(project.build)

    with look(project) as state, open_build(project, Ledger(project.ledger), "run-2"):
        assert state is not None
        items = state.built["marts.items"]

    assert (items.text, items.rows) == (tiny.SQL["marts/items.sql"], 2)
    assert items.seconds == items.full_seconds > 0
    assert stamp(project.build)[2] == before[2]


def test_without_a_build_file_nothing_is_built(tmp_path: Path) -> None:
    with look(tiny.project(tmp_path)) as state:
        assert state is not None
        assert (state.built, state.raw) == ({}, {})


def test_a_build_file_of_another_layout_holds_nothing_of_use(project: Project) -> None:
    with open_build(project, Ledger(project.ledger), "run-2") as con:
        con.execute("alter table etl._builds drop column version")

    with look(project) as state:
        assert state is not None
        assert (state.built, state.raw) == ({}, {})


def test_while_a_run_has_it_open_there_is_nothing_to_be_seen(project: Project) -> None:
    with tiny.opened_elsewhere(project.build), look(project) as state:
        assert state is None


def test_a_run_waits_for_who_only_looks(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with tiny.opened_elsewhere(project.build, read_only=True) as holder:
        # instead of a pause, the other one ends
        monkeypatch.setattr(connections.time, "sleep", lambda seconds: holder.communicate())
        with open_build(project, Ledger(project.ledger), "run-2") as con:
            assert con.execute("select count(*) from marts.items").fetchall() == [(2,)]


def test_a_run_does_not_wait_forever(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(connections.time, "sleep", pauses.append)

    with (
        tiny.opened_elsewhere(project.build, read_only=True),
        pytest.raises(StepError, match="open in another process"),
        open_build(project, Ledger(project.ledger), "run-2"),
    ):
        pass

    assert len(pauses) == 5
