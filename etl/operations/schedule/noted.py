"""What the ledger notes of a schedule: the report tells when the next run is, and whether the last one began."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from etl.errors import EtlError
from etl.ledger import Ledger, now
from etl.ledger.schedule import Scheduled, note_schedule, noted_schedule
from etl.models.seeds import FOLDER
from etl.operations.schedule import systemd
from etl.operations.schedule.entry import Entry
from etl.operations.schedule.installed import installed_for
from etl.operations.schedule.times import machine_zone, next_runs
from etl.project import Project
from etl.project.days import read_days

_TIMES = 60


def note(project: Project, user: str, into: Path | None = None) -> None:
    """Note the next times of the schedule that is installed for a project, or that there is none.

    A project that has not run yet has nothing to note it in; its first run by the schedule does.
    """
    if not project.ledger.exists():
        return
    with suppress(EtlError, OSError, ValueError):
        place, at, days = installed_for(Entry(project=project, at="", user=user), into or systemd.folder())
        found = _scheduled(project, place, at, days) if at else None
        note_schedule(Ledger(project.ledger), project.identity, found)


def note_again(project: Project, user: str) -> None:
    """Note them before a run of the schedule, if most of what was noted is over; nothing of it stops the run."""
    with suppress(EtlError, OSError, ValueError):
        known = noted_schedule(Ledger(project.ledger, is_reading=True), project.identity)
        ahead = [text for text in known.times if datetime.fromisoformat(text) > datetime.now(UTC)] if known else []
        if len(ahead) < _TIMES // 2:
            note(project, user)


def _scheduled(project: Project, place: str, at: str, days: str) -> Scheduled:
    meant = read_days(days).with_holidays(project.sql / FOLDER)
    times = next_runs(at, meant, machine_zone(), _TIMES)
    return Scheduled(place, [time.isoformat(timespec="minutes") for time in times], now())
