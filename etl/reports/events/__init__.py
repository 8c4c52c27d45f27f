"""Events about what is published: one for each switch to another generation, for whoever is to be woken by it.

They are written to an outbox, `data/events/`, in the order of the switches, and posted from there to each receiver
until it has accepted them. What an event says can be looked up: a lost, doubled or forged one does no harm.
"""

from __future__ import annotations

import logging

from etl.errors import EtlError
from etl.ledger import Ledger
from etl.project import Project

log = logging.getLogger("etl")


def prepare(project: Project, ledger: Ledger) -> None:
    """Begin the outbox, and import what a run needs at its end: then not everything can be imported any more."""
    if project.settings.events == "yes":
        import etl.reports.events.posting  # noqa: F401
        from etl.reports.events.outbox import begin

        begin(project, ledger)


def keep_up(project: Project, ledger: Ledger) -> None:
    """Write the events of switches that have none, if the project asks for them, and post what waits.

    The log says what could not be done: the next run, or `etl events --send`, does it. The caller need not hold
    the project's lock, and better does not: a dead receiver keeps it for some seconds.
    """
    if project.settings.events != "yes":
        return
    from etl.reports.events.outbox import write_new
    from etl.reports.events.posting import post_waiting

    try:
        write_new(project, ledger)
        for warning in post_waiting(project):
            log.warning("warning: %s", warning)
    except (EtlError, OSError) as error:
        log.warning("warning: the events of what is published wait: %s", error)
