"""The outbox: a file for each event, numbered in the order of the switches, and how far each receiver has come."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from etl.ledger import Ledger, Switch
from etl.project import Project
from etl.project.channels import EVENTS
from etl.project.files import make_folder, write_file
from etl.reports.events.event import event_of, text_of

#: So many events stay that every receiver has accepted.
_KEPT = 100
_NAME = re.compile(r"(\d{9})\.json")


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Where events are posted to, named by its place in the variable, and how far it has come."""

    name: str
    #: What stands for its address, which may be a secret.
    key: str
    #: The number of the last event that it has accepted.
    accepted: int = 0
    #: Why the last try failed, and when; empty if it did not.
    problem: str = ""
    tried_at: str = ""
    address: str = field(default="", repr=False)


def folder_of(project: Project) -> Path:
    """Return where the outbox is."""
    return project.data / "events"


def numbers(project: Project) -> list[int]:
    """Return the numbers of the events that there are, in order."""
    with suppress(FileNotFoundError):
        found = (_NAME.fullmatch(name) for name in os.listdir(folder_of(project)))
        return sorted(int(one[1]) for one in found if one)
    return []


def read(project: Project, number: int) -> bytes:
    """Return an event as it is posted."""
    return _file(project, number).read_bytes()


def begin(project: Project, ledger: Ledger) -> None:
    """Note which switch was the last before there was an outbox: each later one has an event, come what may."""
    if not _begun(project).exists():
        switches = ledger.switches()
        last = switches[0] if switches else Switch("", "", "", "publish")
        write_file(_begun(project), json.dumps({"time": last.at, "data": {"generation": last.generation}}))


def write_new(project: Project, ledger: Ledger) -> None:
    """Write an event for each switch that the ledger has noted since the last event, or since begin().

    A switch whose command was killed before it was noted is noted by the next run, and has its event then.
    """
    switches = ledger.switches()[::-1]
    if not switches:
        return
    make_folder(folder_of(project))
    with locked(project, "write"):
        there = numbers(project)
        last = there[-1] if there else 0
        new = _since(switches, _switch_of(_file(project, last) if there else _begun(project)))
        if not new:
            return
        for receiver in receivers(project):
            if not _progress(project, receiver.key).exists():
                note(project, replace(receiver, accepted=last))
        for number, switch in enumerate(new, last + 1):
            write_file(_file(project, number), text_of(event_of(project, switch, number)) + "\n")
        _forget(project)


def receivers(project: Project) -> list[Receiver]:
    """Return the receivers of ETL_EVENTS_URL with how far they have come; a new one begins with the newest."""
    there = numbers(project)
    newest = there[-1] - 1 if there else 0
    found = []
    for position, address in enumerate(os.environ.get(EVENTS, "").split(), 1):
        key = hashlib.sha256(address.encode()).hexdigest()[:16]
        known = _known(project, key) or Receiver(name="", key=key, accepted=newest)
        found.append(replace(known, name=f"{EVENTS} {position}", address=address))
    return found


def known_receivers(project: Project) -> list[Receiver]:
    """Return the receivers of this process; if it has none, those of whoever posts from here."""
    if os.environ.get(EVENTS, "").strip():
        return receivers(project)
    found = (_known(project, path.stem) for path in sorted(folder_of(project).glob("*.sent")))
    return sorted(filter(None, found), key=lambda one: one.name)


def note(project: Project, receiver: Receiver) -> None:
    """Keep how far a receiver has come."""
    facts = {name: value for name, value in asdict(receiver).items() if name != "address"}
    write_file(_progress(project, receiver.key), json.dumps(facts))


def forget_others(project: Project, known: Sequence[Receiver]) -> None:
    """Forget the receivers that are none any more."""
    keys = {receiver.key for receiver in known}
    for path in folder_of(project).glob("*.sent"):
        if path.stem not in keys:
            path.unlink(missing_ok=True)


def waiting(project: Project, receiver: Receiver) -> list[int]:
    """Return the numbers of the events that a receiver has not accepted yet, in order."""
    return [number for number in numbers(project) if number > receiver.accepted]


@contextmanager
def locked(project: Project, what: str, *, waits: bool = True) -> Iterator[bool]:
    """Let one process at a time do what it does with the outbox; yield False if another does, and none `waits`."""
    descriptor = os.open(folder_of(project) / f".{what}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def _since(switches: Sequence[Switch], last: tuple[str, str] | None) -> Sequence[Switch]:
    """Return the switches after that of the last event; of a ledger that was lost, the current one if new."""
    if last is None:
        return switches[-1:]
    if last == ("", ""):
        return switches
    places = [n for n, switch in enumerate(switches) if (switch.at, switch.generation) == last]
    if places:
        return switches[places[-1] + 1 :]
    return switches[-1:] if switches[-1].generation != last[1] else ()


def _switch_of(file: Path) -> tuple[str, str] | None:
    """Return when the switch of an event was, and to which generation; None if it cannot be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        event: dict[str, Any] = json.loads(file.read_bytes())
        return str(event["time"]), str(event["data"]["generation"])
    return None


def _forget(project: Project) -> None:
    """Delete the oldest events that every receiver has accepted."""
    least = min((one.accepted for one in known_receivers(project)), default=None)
    for number in numbers(project)[:-_KEPT]:
        if least is None or number <= least:
            _file(project, number).unlink(missing_ok=True)


def _known(project: Project, key: str) -> Receiver | None:
    with suppress(OSError, ValueError, TypeError):
        return Receiver(**json.loads(_progress(project, key).read_text(encoding="utf-8")))
    return None


def _file(project: Project, number: int) -> Path:
    return folder_of(project) / f"{number:09}.json"


def _begun(project: Project) -> Path:
    return folder_of(project) / "begun"


def _progress(project: Project, key: str) -> Path:
    return folder_of(project) / f"{key}.sent"
