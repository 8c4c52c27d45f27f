"""Being told of runs: when one begins, when one has ended in whatever way, and when one could not begin.

Every run passes through here, and none is kept from ending by it: what cannot be told is said in the log.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Protocol

from etl.errors import ConfigError, EtlError, LedgerError
from etl.ledger import Ledger, Run
from etl.ledger.notices import incidents, is_anything_open, note_begun, untold
from etl.plan.scope import Scope
from etl.project import Project, find_root, load_project
from etl.project.channels import is_on, is_told, otlp_is_on
from etl.project.secret import scrubbed

if TYPE_CHECKING:
    from etl.plan import Plan
    from etl.reports.notices.message import Place

log = logging.getLogger("etl")

#: What could not begin in this process, and was told: Luigi asks for a run that cannot begin more than once.
_told: set[str] = set()
#: What the ledger's cache keeps: who owns which source and table.
_OWNERS = "owners"


class Telling(Protocol):
    """What is told of: a run, as run/active.py has it."""

    project: Project
    ledger: Ledger
    row: Run
    scope: Scope
    is_whole: bool

    @property
    def same(self) -> object:
        """What it says if it finds all as it was; None if it does not."""

    @property
    def plan(self) -> Plan:
        """What the run does."""

    @property
    def lacking(self) -> list[tuple[str, date]]:
        """The deliveries without which nothing is published."""


def begun(run: Telling) -> None:
    """Tell of earlier runs that were killed, and note that this one is to be told of; and ping, if it is a night.

    It is called when the run has its lock, so that whatever is not told yet has ended.
    """
    if run.project.settings.lineage == "yes":
        # while an interpreter ends, not everything can be imported
        import etl.reports.openlineage
    with _harmless():
        from etl.reports import events

        events.prepare(run.project, run.ledger)
    if run.project.settings.mirror:
        from etl.stages.mirrored import prepare

        prepare(run.project)
    if run.project.settings.shared_lake:
        from etl.run.jobs import shared

        shared.prepare(run.project)
    if otlp_is_on():
        with _harmless():
            # while an interpreter ends, not everything can be imported
            import etl.reports.otlp
    if not is_on():
        return
    with _harmless():
        # while an interpreter ends, not everything can be imported
        import etl.reports.notices.night
        import etl.reports.notices.telling  # noqa: F401

        if is_told():
            if earlier := untold(run.ledger):
                _tell_earlier(run.project, run.ledger, run.row, earlier)
            note_begun(run.ledger, run.row.run_id)
    with _harmless():
        if is_night(run.scope, run.is_whole):
            from etl.reports.notices import ping

            ping.ping(ping.START, run.row.run_id)


def tell_killed(project: Project, ledger: Ledger, killed: Run) -> None:
    """Tell of a run that was killed, at once; the caller has the lock, and has noted how it ended."""
    with _harmless():
        if is_told() and (earlier := untold(ledger)):
            _tell_earlier(project, ledger, killed, earlier)
    with _harmless():
        from etl.reports.notices import ping

        ping.ping(ping.FAIL, killed.run_id, f"The run of {killed.batch_date} was killed.")


def ended(run: Telling) -> None:
    """Write the figures of a run that has ended, and note what is to be told of it; send() sends it.

    The run has its lock still.
    """
    if run.project.settings.metrics and run.row.outcome:
        _write_metrics(run)
    if run.project.settings.shared_lake:
        from etl.run.jobs import shared

        shared.forget(run.project, run.ledger)
    if not is_told():
        return
    with _harmless():
        from etl.reports.notices import night, telling

        place = telling.place_of(run.project, day=run.row.batch_date, run_id=run.row.run_id)
        try:
            _note_ended(run, place)
        except LedgerError as error:
            # a disk that is full takes no note either
            telling.at_once([night.could_not_note(str(error))], place)


def _note_ended(run: Telling, place: Place) -> None:
    from etl.reports.notices import night, telling

    # a run that finds all as it was has no plan, and makes one for who asks
    plan = run.plan if run.same is None else None
    causes = night.causes_of(run.project, run.ledger, run.row, plan, run.lacking if plan else [])
    telling.note(
        run.ledger,
        night.without_overdue(causes, incidents(run.ledger)),
        place,
        owners=_owners(run.ledger, plan),
        is_judged=night.judging(run.row, plan, run.ledger, is_night=is_night(run.scope, run.is_whole)),
        told=[run.row.run_id],
    )


def _write_metrics(run: Telling) -> None:
    from etl.reports.metrics import write_metrics

    try:
        write_metrics(run.project, run.ledger, run.row)
    except (EtlError, OSError) as error:
        log.warning("warning: the metrics were not written: %s", error)


def send(run: Telling) -> None:
    """Send what waits, when the lock is released; and tell the server that watches nights how this one ended.

    Then the mirror is brought up to date, and the events of its lineage are written, if the project asks for them.
    """
    _send(run)
    if run.project.settings.mirror:
        from etl.stages.mirrored import keep_up

        keep_up(run.project, run.ledger)
    with _harmless():
        from etl.reports import events

        events.keep_up(run.project, run.ledger)
    if run.project.settings.lineage == "yes":
        from etl.reports.openlineage import write_lineage

        try:
            write_lineage(run.project, run.ledger, run.row)
        except (EtlError, OSError, RuntimeError) as error:
            log.warning("warning: the lineage of this run was not written: %s", error)

    if otlp_is_on():
        with _harmless():
            from etl.reports.otlp import send_otlp

            if run.row.outcome:
                send_otlp(run.project, run.ledger, run.row)


def _send(run: Telling) -> None:
    if not is_on():
        return
    ledger, row = run.ledger, run.row
    with _harmless():
        if is_told() and is_anything_open(ledger, row.run_id):
            from etl.reports.notices import sending

            sending.send_waiting(ledger)
    with _harmless():
        if is_night(run.scope, run.is_whole):
            from etl.reports.notices import night, ping

            what = ping.SUCCESS if row.outcome in night.GOOD else ping.FAIL
            problems = [message for _, message in ledger.problems(row.run_id)]
            text = "\n".join([f"{row.outcome}, batch date {row.batch_date}", *problems])
            ping.ping(what, row.run_id, scrubbed(text))


@contextmanager
def why_not(root: str, run_id: str, scope: Scope | None, is_whole: bool) -> Iterator[None]:
    """Tell why a run could not begin, if it cannot: by its settings, ledger, disk or lock."""
    try:
        yield
    except (EtlError, OSError) as error:
        not_begun(root, run_id, error, scope, is_whole=is_whole)
        raise


def not_begun(root: str, run_id: str, error: BaseException, scope: Scope | None, *, is_whole: bool) -> None:
    """Tell that a run could not begin, once in this process."""
    text = str(error) or type(error).__name__
    if not is_on() or text in _told:
        return
    _told.add(text)
    with _harmless():
        if is_told():
            _tell_not_begun(root, run_id, text, str(scope.last if scope else date.today()))
    with _harmless():
        if is_night(scope, is_whole):
            from etl.reports.notices import ping

            ping.ping(ping.FAIL, run_id, scrubbed(text))


def is_night(scope: Scope | None, is_whole: bool) -> bool:
    """Return whether a run is a night: of everything up to a date."""
    return is_whole and (scope is None or (scope.first == date.min and not scope.source and scope.sources is None))


def _tell_earlier(project: Project, ledger: Ledger, row: Run, earlier: list[str]) -> None:
    from etl.reports.notices import night, sending, telling

    found = telling.note(
        ledger,
        night.of_earlier(ledger, earlier),
        telling.place_of(project, day=row.batch_date, run_id=row.run_id),
        owners=_known_owners(ledger),
        is_judged=lambda incident: False,
        told=earlier,
    )
    if not found.is_empty:
        sending.send_waiting(ledger)


def _tell_not_begun(root: str, run_id: str, text: str, day: str) -> None:
    from etl.reports.notices import night, sending, telling

    causes = [night.could_not_begin(text)]
    try:
        project = load_project(root)
        ledger = Ledger(project.ledger)
        place = telling.place_of(project, day=day, run_id="")
        telling.note(
            ledger, causes, place, owners=_known_owners(ledger), is_judged=lambda incident: False, told=[run_id]
        )
        sending.send_waiting(ledger)
    except (EtlError, OSError):
        # without settings or a ledger nobody can note that it was told: it is told in full each night
        telling.at_once(causes, _unknown_place(root, day))


def _unknown_place(root: str, day: str) -> Place:
    import socket

    from etl.reports.notices.message import Place

    try:
        where = root or str(find_root())
    except ConfigError:
        where = os.environ.get("ETL_PROJECT") or os.getcwd()
    name = f"etl {where.rpartition('/')[2]}"
    return Place(project=where, name=name, host=socket.gethostname(), day=day, run_id="")


def _owners(ledger: Ledger, plan: Plan | None) -> Mapping[str, str]:
    """Return who owns which source and table: as the plan says, or as the last one did."""
    if plan is None:
        return _known_owners(ledger)
    from etl.reports.notices import night

    found = night.owners_of(plan.catalog, plan.models)
    text = json.dumps(found, sort_keys=True)
    if ledger.cached(_OWNERS, "") != text:
        ledger.cache(_OWNERS, "", text)
    return found


def _known_owners(ledger: Ledger) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads(ledger.cached(_OWNERS, "") or "{}")
    return found


@contextmanager
def _harmless() -> Iterator[None]:
    """Say what goes wrong with telling, and let the run end as it would."""
    try:
        yield
    except LedgerError as error:
        log.warning("warning: nobody is told of this run: %s", error)
    except Exception as error:
        # it is not quoted, since it may hold an address
        log.warning("warning: nobody is told of this run: %s", type(error).__name__)
