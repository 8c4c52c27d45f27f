"""A night that is to be over by a time of day begins only what it can finish by then."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import DeadlinePassed
from etl.ledger import Ledger
from etl.ledger.history import DONE, SKIPPED, History, StepId
from etl.project import Project, load_project
from etl.run import deadline
from tests.run.test_recording import STAGES, make, named, night, rows
from tests.support import tiny

pytestmark = pytest.mark.sampled

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")


@pytest.mark.parametrize(
    ("began", "ends"),
    [
        ("2024-03-04 22:00", "2024-03-05 06:00"),
        ("2024-03-05 02:15", "2024-03-05 06:00"),
        ("2024-03-05 06:00", "2024-03-06 06:00"),
        ("2024-03-30 22:00", "2024-03-31 06:00"),
    ],
)
def test_a_deadline_is_the_first_such_time_after_the_night_began(tmp_path: Path, began: str, ends: str) -> None:
    project = tiny.project(tmp_path, settings="deadline = 06:00\ntimezone = Europe/Berlin\n")
    zone = ZoneInfo("Europe/Berlin")
    moment = datetime.fromisoformat(began).replace(tzinfo=zone).astimezone(UTC)

    assert deadline.deadline_of(project, moment) == datetime.fromisoformat(ends).replace(tzinfo=zone)


@given(
    began=st.datetimes(datetime(2024, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(ZONES),
    at=st.times(),
)
def test_a_deadline_is_less_than_a_day_and_a_change_of_clocks_away(
    tmp_path_factory: pytest.TempPathFactory, began: datetime, zone: str, at: object
) -> None:
    text = f"{at:%H:%M}"
    project = tiny.project(tmp_path_factory.mktemp("p"), settings=f"deadline = {text}\ntimezone = {zone}\n")

    due = deadline.deadline_of(project, began)

    assert due is not None
    assert timedelta(0) < due - began <= timedelta(hours=25)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    make(tmp_path)
    return load_project(str(tmp_path))


def late(project: Project, step: str, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Let a step of a night usually take three hours, with two left."""
    night(project)
    con = Ledger(project.ledger)
    con.change(("update steps set seconds = 10800 where step = ?", [(step,)]))
    now = datetime.now(UTC)
    text = f"{now + timedelta(hours=2):%H:%M}"
    (project.root / "luigi.cfg").write_text(f"[etl]\nthreads = 1\ndeadline = {text}\n")
    monkeypatch.setattr(deadline, "_now", lambda: now)
    # a change of each step
    tiny.deliver(project, {path: content for path, content in more(project).items()})
    return load_project(str(project.root))


def more(project: Project) -> dict[str, str]:
    """Return a further delivery of the feed."""
    (known, *_) = sorted(path for path in project.raw.rglob("*") if path.is_file())
    path = known.relative_to(project.raw)
    return {str(path).replace("2024-03-01", "2024-03-09"): known.read_text().replace("2024-03-01", "2024-03-09")}


@pytest.mark.parametrize("step", STAGES)
def test_what_cannot_be_finished_in_time_is_not_begun(
    project: Project, monkeypatch: pytest.MonkeyPatch, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    project = late(project, step, monkeypatch)
    order = list(STAGES)

    run_id = night(project)

    found = rows(project, run_id)
    before = [row for row in found.values() if row.step in order[: order.index(step)]]
    after = [row for row in found.values() if row.step in order[order.index(step) :]]
    assert after
    assert not {row.outcome for row in before} - {DONE, "kept"}
    assert {(row.outcome, row.message) for row in after} <= {(SKIPPED, deadline.NO_TIME), (DONE, ""), ("kept", "")}
    assert {row.outcome for row in after if row.step != step} <= {SKIPPED}
    ((noted, said),) = Ledger(project.ledger).problems(run_id)
    assert noted == deadline.DEADLINE
    assert "cannot be finished by the deadline" in said
    assert f"{step}" in said
    assert "usually 3:00:00.0" in said
    assert Counter(record.levelname for record in caplog.records)["ERROR"] == 1

    monkeypatch.setattr(deadline, "_now", lambda: datetime.now(UTC) - timedelta(days=9))
    assert {row.outcome for row in rows(project, night(project)).values()} <= {DONE, "kept"}
    assert named(project) == set()


def test_models_are_built_until_there_is_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = {f"marts/{name}.sql": "select count(*) as n from raw.sales" for name in "abc"}
    project = tiny.project(tmp_path, sql=sql)
    night(project)
    Ledger(project.ledger).change(("update steps set seconds = 2700 where step = ?", [("transform",)]))
    now = datetime.now(UTC)
    (tmp_path / "luigi.cfg").write_text(f"[etl]\nthreads = 1\ndeadline = {now + timedelta(hours=2):%H:%M}\n")
    monkeypatch.setattr(deadline, "_now", lambda: now)
    tiny.deliver(project, {"sales/2024-03-03.csv": "id,item\n7,pen\n"})

    found = rows(project, night(load_project(str(tmp_path))))

    assert [found[StepId("transform", f"marts.{name}")].outcome for name in "abc"] == [DONE, DONE, SKIPPED]


def test_what_was_never_done_is_begun_before_the_deadline_and_not_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tiny.project(tmp_path, settings="threads = 1\ndeadline = 06:00\n")
    monkeypatch.setattr(deadline, "_now", lambda: datetime.now(UTC) + timedelta(days=1))
    assert {row.outcome for row in rows(project, night(project)).values() if row.step != "plan"} == {SKIPPED}
    monkeypatch.undo()
    assert {row.outcome for row in rows(project, night(project)).values()} == {DONE}
    assert History(Ledger(project.ledger)).usual_seconds()
    assert DeadlinePassed.exit_code == 30
