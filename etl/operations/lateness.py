"""Deliveries that are not there by the time of day that their sources say: looked for between two nights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from etl.errors import ConfigError
from etl.ledger import Ledger, fingerprint
from etl.models.seeds import FOLDER
from etl.plan.definitions import definitions
from etl.plan.waiting import why_not_there
from etl.project import Project
from etl.project.channels import is_told
from etl.project.days import read_days
from etl.reports.notices import night, sending, telling
from etl.reports.notices.causes import OVERDUE, Cause
from etl.sources import Source

#: A day that is longer ago than so many days is not looked for.
_MOST_DAYS = 62


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A source that says when its deliveries come: the newest day that is due, and why its delivery is not there.

    `why` is empty if it is; `day` is empty if none is due.
    """

    source: str
    expected_by: str
    day: str
    why: str


def check_late(project: Project, ledger: Ledger, at: datetime | None = None) -> list[Expected]:
    """Look for the newest delivery that is due of each source with expected_by; tell of those that are late.

    One that is late is told once a day, and once when it has come. Raises ConfigError for a list of holidays that
    cannot be read, and what the definitions raise.
    """
    zone = ZoneInfo(project.settings.timezone)
    moment = (at or datetime.now(zone)).astimezone(zone)
    catalog, models = definitions(project, ledger)
    sources = [source for source in catalog.sources.values() if source.expected_by]
    found = [_look(project, ledger, source, moment) for source in sources]
    if is_told():
        _tell(project, ledger, found, night.owners_of(catalog, models), str(moment.date()))
    return found


def _look(project: Project, ledger: Ledger, source: Source, moment: datetime) -> Expected:
    try:
        days = read_days(source.expected_days).with_holidays(project.sql / FOLDER)
    except ValueError as error:
        raise ConfigError(f"{source.declared}: the source {source.name}: expected_days {error}.") from error
    is_over = f"{moment:%H:%M}" >= source.expected_by
    # until the time of day, what was due before is what counts
    newest = moment.date() if is_over else moment.date() - timedelta(1)
    day = next((found for n in range(_MOST_DAYS) if (found := newest - timedelta(n)) in days), None)
    wanted = day - timedelta(source.lag_days) if day else None
    return Expected(
        source=source.name,
        expected_by=source.expected_by,
        day=str(wanted or ""),
        why=why_not_there(project, ledger, source, wanted, day) if wanted and day else "",
    )


def _tell(
    project: Project, ledger: Ledger, found: Sequence[Expected], owners: Mapping[str, str], day: str
) -> None:
    causes = [
        Cause(
            key=fingerprint(OVERDUE, one.source),
            kind=OVERDUE,
            subject=one.source,
            what=f"A delivery is late: {one.source} {one.day}",
            why=f"It was expected by {one.expected_by} ({project.settings.timezone}), and {one.why}.",
            next="Ask its sender. When it is there: etl run",
            step="raw",
        )
        for one in found
        if one.why
    ]
    judged = {one.source for one in found}
    place = telling.place_of(project, day=day, run_id="etl check-late")
    telling.note(
        ledger,
        causes,
        place,
        owners=owners,
        is_judged=lambda incident: incident.kind == OVERDUE and incident.subject in judged,
    )
    sending.send_waiting(ledger)
