"""Who is told of nights, and a message to see whether it arrives."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from etl.errors import ConfigError, EtlError
from etl.ledger import Ledger
from etl.ledger.notices import DROPPED, SENDING, SENT, UNKNOWN, WAITING, Notice, incidents, notices
from etl.plan.definitions import definitions
from etl.project import Project
from etl.project.channels import PING, channels, is_told, variable_of
from etl.reports import otlp
from etl.reports.notices import night, ping, sending, telling

#: So many of the last messages are shown.
_LAST = 5


@dataclass(frozen=True, kw_only=True)
class Known:
    """Who is told; which owners have no address of their own, with its variable; what is open, waits, was sent."""

    channels: Sequence[str]
    is_pinged: bool
    owners_without: Mapping[str, str]
    open: Sequence[Mapping[str, Any]]
    waiting: Sequence[Mapping[str, Any]]
    last: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Tried:
    """What became of a message for a try; `said` is empty if it was sent."""

    channel: str
    said: str


def known(project: Project, ledger: Ledger) -> Known:
    """Return who is told of what, and what was told."""
    found = channels()
    variables = {channel.variable for channel in found}
    without = {
        owner: variable_of(owner) for owner in _owners(project, ledger) if variable_of(owner) not in variables
    }
    return Known(
        channels=[channel.name for channel in found],
        is_pinged=bool(os.environ.get(PING, "").strip()),
        owners_without=without,
        open=[asdict(incident) for incident in incidents(ledger)],
        waiting=[asdict(notice) for notice in notices(ledger, WAITING)],
        last=[asdict(notice) for notice in notices(ledger, SENDING, SENT, UNKNOWN, DROPPED)[-_LAST:]],
    )


def try_all(project: Project) -> list[Tried]:
    """Send a message to every address, and a ping; return what became of each.

    Raises ConfigError for an address of pings that is not one.
    """
    ping.check_ping()
    place = telling.place_of(project, day=str(project.today()), run_id="etl notify --test")
    title = f"{place.name}: a test"
    body = f"This is a test. Messages about {place.project} on {place.host} arrive here."
    items = [
        (n, channel, Notice(channel=channel.name, title=title, body=body)) for n, channel in enumerate(channels())
    ]
    tried = {number: Tried(items[number][1].name, said) for number, said in sending.deliver(items)}
    found = [tried[number] for number in sorted(tried)]
    # where every request means that a night ended well, there is nothing to try
    if os.environ.get(PING, "").strip() and os.environ.get(ping.STYLE) != ping.GET:
        found.append(Tried(PING, ping.ping(ping.LOG, place.run_id, body)))
    return found


def check_addresses() -> None:
    """Raise ConfigError if an address for messages or pings is not one; nothing of it is said."""
    ping.check_ping()
    otlp.check_otlp()
    if is_told() and (wrong := sending.check_channels()):
        raise ConfigError("\n".join(wrong))


def _owners(project: Project, ledger: Ledger) -> list[str]:
    try:
        return sorted(set(night.owners_of(*definitions(project, ledger)).values()))
    except EtlError:
        # etl check says what is wrong
        return []
