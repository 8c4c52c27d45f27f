"""Telling of features that leak: once when it is found, in a line on each later day, and when it is over."""

from __future__ import annotations

from collections.abc import Sequence

from etl.ledger import Ledger, fingerprint
from etl.operations.leaks.check import Judged, leaks_of
from etl.plan.definitions import definitions
from etl.project import Project
from etl.project.channels import is_told
from etl.reports.notices import night, sending, telling
from etl.reports.notices.causes import LEAKING, Cause
from etl.run.origin import new_run_id

#: Who tells, as a message has it.
BY = "etl check-leaks"


def tell_leaks(project: Project, ledger: Ledger, found: Sequence[Judged]) -> None:
    """Tell whoever is told of nights which features leak, and which do so no longer."""
    if not is_told():
        return
    causes = [
        Cause(
            key=fingerprint(LEAKING, one.feature),
            kind=LEAKING,
            subject=one.feature,
            what=f"A feature leaks: {one.feature}",
            why=leaks_of(one),
            next=f"To look again: {BY} {one.feature}",
            step="audit",
        )
        for one in found
        if one.differing
    ]
    judged = {one.feature for one in found}
    telling.note(
        ledger,
        causes,
        telling.place_of(project, day=str(project.today()), run_id=new_run_id()),
        owners=night.owners_of(*definitions(project, ledger)),
        is_judged=lambda incident: incident.kind == LEAKING and incident.subject in judged,
    )
    sending.send_waiting(ledger)
