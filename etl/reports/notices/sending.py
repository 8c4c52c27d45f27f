"""Having messages sent: by a process of its own with a time limit, and only if there is one to send."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from etl.errors import ConfigError, counted, sentence
from etl.ledger import Ledger
from etl.ledger.notices import DROPPED, UNKNOWN, Notice, claim, note_sent, note_unsent, notices
from etl.project.channels import Channel, channels
from etl.project.waiting import is_readable

log = logging.getLogger("etl")

#: So many seconds may the sending of all messages take; a dead server keeps nobody longer.
SECONDS = 15.0
INSTALL = "Apprise is not installed. Type: pip install 'etl[notify]'"
_SENDER = Path(__file__).with_name("sender.py")
_MISSING = "missing"
_SILENT = "it did not answer in time"


def send_waiting(ledger: Ledger) -> None:
    """Send what waits in the ledger for the addresses that are set, and note what became of it.

    Each message is claimed before: nobody else sends it, and if this process is killed nobody does. One that an
    address refused, or did not take in time, waits for the next run.
    """
    known = {channel.name: channel for channel in channels()}
    lost = {notice.id for notice in notices(ledger, UNKNOWN, DROPPED)}
    mine = {notice.id: notice for notice in claim(ledger, uuid.uuid4().hex, known)}
    _say_lost(ledger, lost)
    arrived = 0
    for number, said in deliver([(notice.id, known[notice.channel], notice) for notice in mine.values()]):
        if not said:
            note_sent(ledger, number)
            arrived += 1
            continue
        note_unsent(ledger, number, said)
        where = mine[number].channel
        log.warning("warning: a message to %s could not be sent: %s. The next run tries again", where, said)
    if arrived:
        log.info("told %s", counted(arrived, "channel"))


def _say_lost(ledger: Ledger, before: Collection[int]) -> None:
    """Say which messages nobody knows the end of, or that were given up, beside those that were so `before`."""
    for notice in notices(ledger, UNKNOWN, DROPPED):
        if notice.id not in before:
            why = (
                "its sender was killed"
                if notice.state == UNKNOWN
                else sentence(notice.said or "it waited too long")
            )
            log.warning(
                "warning: a message of %s to %s may not have arrived: %s", notice.at[:16], notice.channel, why
            )


def deliver(
    items: Sequence[tuple[int, Channel, Notice | None]], seconds: float = SECONDS
) -> Iterator[tuple[int, str]]:
    """Send messages, and yield the number of each and why it could not be sent, empty if it was; in any order.

    Without messages the addresses are only looked at.
    """
    if not items:
        return
    left = {number for number, _, _ in items}
    for result in _results(_asked(items, seconds), seconds):
        if result.get("said") == _MISSING:
            yield from ((number, INSTALL) for number in left)
            return
        number = result.get("id")
        if number in left:
            left.remove(number)
            yield number, "" if result.get("sent") else str(result.get("said"))
    yield from ((number, _SILENT) for number in left)


def check_channels() -> list[str]:
    """Return a sentence for each address that Apprise does not know. Raises ConfigError if it is not installed."""
    known = dict(enumerate(channels()))
    found = []
    for number, said in deliver([(number, channel, None) for number, channel in known.items()], seconds=60):
        if said == INSTALL:
            raise ConfigError(f"{known[number].variable} has an address, and {INSTALL}")
        if said:
            found.append(
                f"{known[number].name}: {said}. Write it as Apprise does, such as mailtos://user:password@host."
            )
    return sorted(found)


def _asked(items: Sequence[tuple[int, Channel, Notice | None]], seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "is_check": all(notice is None for _, _, notice in items),
        "items": [
            {
                "id": number,
                "variable": channel.variable,
                "position": channel.position,
                "title": notice.title if notice else "",
                "body": notice.body if notice else "",
                "type": "info" if notice and "green again" in notice.title else "warning",
            }
            for number, channel, notice in items
        ],
    }


def _results(asked: dict[str, Any], seconds: float) -> Iterator[dict[str, Any]]:
    """Yield what the process says that sends, until it ends or its time is over."""
    end = time.monotonic() + seconds
    pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
    try:
        sender = subprocess.Popen([sys.executable, "-P", str(_SENDER)], stdin=pipe, stdout=pipe, stderr=nowhere)
    except OSError:
        return
    assert sender.stdin and sender.stdout
    try:
        with sender.stdin:
            sender.stdin.write(json.dumps(asked).encode())
        for line in _lines(sender.stdout.fileno(), end):
            yield json.loads(line)
    except (OSError, ValueError):
        return
    finally:
        sender.kill()
        sender.stdout.close()
        sender.wait()


def _lines(descriptor: int, end: float) -> Iterator[bytes]:
    """Yield whole lines until the other side closes, or the time is over."""
    rest = b""
    while is_readable(descriptor, max(0.0, end - time.monotonic())):
        part = os.read(descriptor, 1 << 16)
        if not part:
            return
        *lines, rest = (rest + part).split(b"\n")
        yield from lines
