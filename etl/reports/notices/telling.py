"""Writing down, in one transaction, what is to be told and to whom; or telling it at once where no ledger is."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from etl.ledger import Ledger
from etl.ledger.notices import Incident, Notice, incidents, note_told
from etl.project.channels import NOTIFY, Channel, channels, variable_of
from etl.reports.notices.causes import FAILURES, OVERDUE, Cause, owned
from etl.reports.notices.message import Place, message
from etl.reports.notices.news import News, news

if TYPE_CHECKING:
    from etl.project import Project

log = logging.getLogger("etl")


def note(
    ledger: Ledger,
    causes: Iterable[Cause],
    place: Place,
    *,
    owners: Mapping[str, str],
    is_judged: Callable[[Incident], bool],
    told: Collection[str] = (),
) -> News:
    """Note what is wrong since now, what is over, and a message to each address that has something to hear.

    `told` are the runs that are told of with it.
    """
    found = news(owned(causes, owners), incidents(ledger), place.day, is_judged)
    notices = [notice for _, notice in messages(found, place)]
    note_told(ledger, told, found.incidents(place.run_id, place.day), found.dropped, notices)
    return found


def messages(found: News, place: Place) -> list[tuple[Channel, Notice]]:
    """Return a message for each address that is to hear of something; one that appears twice gets one.

    An owner with an address of its own hears of what it owns. Everybody's address hears of the rest, and of each
    failure.
    """
    groups: dict[str, list[Channel]] = {}
    for channel in channels():
        groups.setdefault(channel.address, []).append(channel)
    known = {channel.variable for group in groups.values() for channel in group}
    made = []
    for group in groups.values():
        part = found.of(_wanted({channel.variable for channel in group}, known))
        if not part.is_empty:
            title, body = message(part, place)
            notice = Notice(channel=group[0].name, title=title, body=body, run_id=place.run_id)
            made.append((group[0], notice))
    if not found.is_empty and not made:
        log.warning("warning: nobody hears of what happened: no address is for it. Set %s", NOTIFY)
    return made


def at_once(causes: Sequence[Cause], place: Place) -> None:
    """Send what is wrong where nothing can be noted: nobody knows later that it was told."""
    from etl.reports.notices import sending

    found = News(new=causes, again=[], over=[], dropped=[])
    items = [(number, channel, notice) for number, (channel, notice) in enumerate(messages(found, place))]
    for number, said in sending.deliver(items):
        if said:
            log.warning("warning: a message to %s could not be sent: %s", items[number][1].name, said)


def place_of(project: Project, *, day: str, run_id: str, state: str = "") -> Place:
    """Return where a message about a run of a project is from."""
    return Place(
        project=project.place,
        name=f"etl {project.root.name}" + (f" ({project.environment})" if project.environment else ""),
        host=socket.gethostname(),
        day=day,
        run_id=run_id,
        state=state or _state(project),
        report=str(project.report) if project.report.exists() else "",
    )


def _state(project: Project) -> str:
    generation = project.warehouse.resolve().parent.name if project.warehouse.exists() else ""
    return f"generation {generation} is published" if generation else "nothing is published yet"


def _wanted(variables: Collection[str], known: Collection[str]) -> Callable[[Sequence[str], str], bool]:
    def is_wanted(owners: Sequence[str], kind: str) -> bool:
        own = {variable for variable in map(variable_of, owners) if variable in known and variable != NOTIFY}
        if own & set(variables):
            return True
        return NOTIFY in variables and ((kind in FAILURES and kind != OVERDUE) or not own)

    return is_wanted
