"""Deliveries that have failed on more nights than a project tries again: they are left out until they change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from etl.errors import counted
from etl.ledger import Ledger, fingerprint
from etl.ledger.parking import FailedNights, failed_nights, forget_failed_nights, note_failed_nights
from etl.plan.scope import Scope
from etl.project import Project
from etl.sources import Source
from etl.stages import lake
from etl.stages.lake.corrections import corrections_hash
from etl.stages.raw import Delivery


class Parking:
    """The deliveries that are parked, as a run of a scope sees them: what somebody asks for by name is tried."""

    def __init__(self, project: Project, ledger: Ledger, scope: Scope) -> None:
        self._project, self._scope = project, scope
        self._failed = failed_nights(ledger) if project.settings.retry_failed else {}

    def why(self, source: Source, delivery: Delivery) -> str:
        """Return why a delivery is left out; empty if it is to be taken."""
        failed = self._failed.get(place(source, delivery.date))
        if failed is None or not is_parked(self._project, source, failed) or self._is_asked(source):
            return ""
        return why_parked(failed) if failed.content == content(self._project, source, delivery) else ""

    def partitions(self, source: Source) -> set[str]:
        """Return the partitions of a source that have failed and were not taken since."""
        return {partition for name, partition in self._failed if name == source.name}

    def _is_asked(self, source: Source) -> bool:
        named = (self._scope.sources or "").split(",")
        return self._scope.force or source.name in (self._scope.source, *named)


def is_parked(project: Project, source: Source, failed: FailedNights) -> bool:
    """Return whether a delivery that failed is not tried any more; one of a required source always is."""
    return not source.required and failed.nights > project.settings.retry_failed > 0


def why_parked(failed: FailedNights) -> str:
    """Return what is said of a delivery that is parked, after its date."""
    return (
        f"is parked, since it failed on {counted(failed.nights, 'night')}, the last time on {failed.last_date}. A "
        "changed file, contract or source is tried at once. To try it as it is, and see why it fails: etl retry"
    )


def place(source: Source, day: date) -> tuple[str, str]:
    """Return what a delivery is known by from night to night: a snapshot has another date on each."""
    return source.name, str(day) if source.is_dated else ""


def content(project: Project, source: Source, delivery: Delivery) -> str:
    """Return what changes when a delivery is to be tried as if it had never failed."""
    definition = lake.definition(source.at(delivery.date), project.settings.timezone)
    decided = corrections_hash(project, source, {delivery.date: delivery})
    return fingerprint(definition, delivery.file, delivery.sha256, decided.get(delivery.date, ""))


def note(
    project: Project,
    ledger: Ledger,
    source: Source,
    deliveries: Mapping[date, Delivery],
    *,
    night: str,
    problems: Iterable[str] = (),
) -> list[FailedNights]:
    """Note which deliveries failed on a night, and which were taken; return those that are parked from now on.

    `problems` say what is wrong with one each, and begin with source and date.
    """
    if not project.settings.retry_failed:
        return []
    said = tuple(problems)
    wrong = [day for day in deliveries if any(text.startswith(f"{source.name} {day}: ") for text in said)]
    known = failed_nights(ledger)
    if taken := [p for d in deliveries if d not in wrong and (p := place(source, d)) in known]:
        forget_failed_nights(ledger, source.name, [partition for _, partition in taken])
    failed = [
        FailedNights(*place(source, day), content(project, source, deliveries[day]), 1, last_date=night)
        for day in wrong
    ]
    note_failed_nights(ledger, failed)
    now, mine = failed_nights(ledger), [place(source, day) for day in wrong]
    return [now[key] for key in mine if is_parked(project, source, now[key])]
