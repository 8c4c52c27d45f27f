"""Posting events to their receivers: in order, signed, each until it is accepted; and what is said of that."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from etl.errors import ConfigError, counted
from etl.ledger import now
from etl.project import Project
from etl.project.channels import EVENTS, EVENTS_SECRET
from etl.project.signatures import keys_of, signed
from etl.reports.events.event import CONTENT_TYPE
from etl.reports.events.outbox import (
    Receiver,
    folder_of,
    forget_others,
    known_receivers,
    locked,
    note,
    read,
    receivers,
    waiting,
)
from etl.reports.http import post_each

#: So many seconds may all posts to one receiver take, and so many one of them.
_SECONDS, _ONE = 15.0, 5.0
#: What `etl events --send` waits for: whoever typed it has time.
PATIENT_SECONDS = 600.0


def check_events() -> None:
    """Raise ConfigError if an address of events is not one, or their secret lacks or is not one."""
    addresses = os.environ.get(EVENTS, "").split()
    for position, address in enumerate(addresses, 1):
        if not address.startswith(("http://", "https://")):
            raise ConfigError(f"{EVENTS} {position} is not an address such as https://HOST/hooks. Correct it.")
    if addresses and not keys_of(os.environ.get(EVENTS_SECRET, ""), EVENTS_SECRET):
        raise ConfigError(f"{EVENTS} is set, and {EVENTS_SECRET} is not: events are posted signed. Set it too.")


def post_waiting(project: Project, seconds: float = _SECONDS) -> Iterator[str]:
    """Post to each receiver what it has not accepted yet, the oldest first; yield what went wrong.

    Another process that posts now is left to it.
    """
    if not os.environ.get(EVENTS, "").strip() or not folder_of(project).is_dir():
        return
    check_events()
    keys = keys_of(os.environ.get(EVENTS_SECRET, ""), EVENTS_SECRET)
    with locked(project, "post", waits=False) as is_mine:
        if not is_mine:
            return
        found = receivers(project)
        forget_others(project, found)
        for receiver in found:
            yield from _post(project, receiver, keys, time.monotonic() + seconds)


def _post(project: Project, receiver: Receiver, keys: list[bytes], end: float) -> Iterator[str]:
    wanted = waiting(project, receiver)
    if not wanted:
        return
    accepted = receiver.accepted

    def bodies() -> Iterator[bytes]:
        nonlocal accepted
        for number in wanted:
            yield read(project, number)
            # it was accepted, or there would be no next one
            accepted = number
            note(project, replace(receiver, accepted=number, problem="", tried_at=""))

    taken = post_each(receiver.address, bodies(), partial(_headers, keys), end=end, one=_ONE)
    if taken.why:
        note(project, replace(receiver, accepted=accepted, problem=taken.why, tried_at=now()))
        left = counted(len(wanted) - taken.taken, "event")
        yield f"{left} of what is published waits for {receiver.name}: {taken.why}. The next run tries again"


def _headers(keys: list[bytes], body: bytes) -> dict[str, str]:
    name = str(json.loads(body)["id"])
    return {"Content-Type": CONTENT_TYPE, **signed(keys, name, int(time.time()), body)}


def told(project: Project) -> list[str]:
    """Return, as sentences, which receivers lag behind; none if the project has no events."""
    if project.settings.events != "yes":
        return []
    found = []
    for receiver in known_receivers(project):
        if left := waiting(project, receiver):
            since = json.loads(read(project, left[0]))["time"]
            why = f": {receiver.problem}" if receiver.problem else ""
            wait = "waits" if len(left) == 1 else "wait"
            at = f"{since[:16].replace('T', ' ')}Z"
            found.append(
                f"{counted(len(left), 'event')} {wait} for {receiver.name} since {at}{why}. "
                "To send: etl events --send"
            )
    return found
