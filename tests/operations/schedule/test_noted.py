"""The report tells the next run by the schedule that is installed, and without one it says that it guesses."""

import getpass
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from etl.ledger import Ledger
from etl.ledger.schedule import Scheduled, note_schedule, noted_schedule
from etl.operations.schedule import manage
from etl.operations.schedule.entry import Entry
from etl.operations.schedule.noted import note_again
from etl.operations.schedule.times import machine_zone, next_runs
from etl.project.days import read_days
from tests.support import reports, tiny


@pytest.fixture
def project(tmp_path):
    return tiny.once(tmp_path / "shop", reports.good)


def said(project):
    return reports.text_of(reports.page(project))


def begun(project, *moments):
    """Have runs begun at these times, and at no others."""
    ledger = Ledger(project.ledger)
    last = ledger.runs()[0]
    ledger.change(("delete from runs", [()]))
    for moment in moments:
        ledger.write_run(replace(last, run_id=f"{moment:%Y%m%d}", started_at=moment.isoformat()))


@pytest.mark.parametrize("at", ["10 4 * * *", "*/5 * * * *", "0 6 1 1 *"])
def test_the_schedule_that_is_installed_says_when_the_next_run_is(project, tmp_path, at):
    assert "Next run not known no schedule is known: etl schedule show" in said(project)
    entry = Entry(project=project, at=at, user=getpass.getuser())

    manage.install(entry, by_systemd=True, into=tmp_path / "units")

    (due,) = next_runs(at, read_days(""), machine_zone(), 1)
    assert f"Next run {due.astimezone(UTC):%Y-%m-%d %H:%M} UTC, by {tmp_path}/units/etl-{entry.id}.timer" in said(
        project
    )
    # that of an environment, or of a copy, is not its own
    assert noted_schedule(Ledger(project.ledger), f"{project.root} env=test") is None

    manage.remove(project, entry.user, tmp_path / "units")
    assert "Next run not known" in said(project)


def test_without_a_schedule_it_is_said_to_be_a_guess(project):
    begun(project, *(datetime(2024, 3, day, 2, 10 + day, tzinfo=UTC) for day in (1, 2, 3)))

    assert "Next run 2024-03-04 about 02:12 UTC, a guess: runs usually begin then" in said(project)


@pytest.mark.parametrize("minutes", [0, 5, 30])
def test_a_run_of_the_schedule_that_did_not_begin_is_said(project, minutes):
    due = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=20)
    times = [due.isoformat(timespec="minutes"), (due + timedelta(1)).isoformat(timespec="minutes")]
    note_schedule(Ledger(project.ledger), project.identity, Scheduled("the crontab of ann", times, "2024-03-01"))
    begun(project, due + timedelta(minutes=minutes - 10))

    text = f"The schedule should have begun a run on {due:%Y-%m-%d %H:%M} UTC, and none began"
    is_missed = text in said(project)
    assert is_missed == (minutes < 10)


def test_a_run_of_the_schedule_notes_its_times_when_most_are_over(project, tmp_path, monkeypatch):
    monkeypatch.setattr("etl.operations.schedule.systemd.folder", lambda: tmp_path / "units")
    entry = Entry(project=project, at="10 4 * * *", user=getpass.getuser())
    manage.install(entry, by_systemd=True)
    known = noted_schedule(Ledger(project.ledger), project.identity)
    old = replace(known, times=known.times[:29])
    note_schedule(Ledger(project.ledger), project.identity, old)

    note_again(project, entry.user)

    assert noted_schedule(Ledger(project.ledger), project.identity).times == known.times
