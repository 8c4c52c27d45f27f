"""Posting events to a server: in order, each until it was taken, and what was not is tried by the next run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from etl.errors import counted
from etl.ledger import Ledger
from etl.project import Project
from etl.reports.http import post_each
from etl.reports.openlineage import TOKEN, URL, file_of

#: So many seconds may all posts of one run take, and so many one of them.
_SECONDS, _ONE = 15.0, 5.0
#: With these a server says that an event itself is wrong: it would say so every night.
_REFUSED = (400, 413, 422)


def note(ledger: Ledger, run_id: str, events: int) -> None:
    """Note that the events of a run are to be posted, if there is a server to post them to."""
    if os.environ.get(URL, "").strip():
        ledger.change(("insert or replace into lineage values (?, ?, 0)", [(run_id, events)]))


def forget(project: Project, ledger: Ledger) -> None:
    """Delete the events of runs that the history has forgotten."""
    known = {run.run_id for run in ledger.runs()}
    for path in file_of(project, "").parent.glob("*.jsonl"):
        if path.stem not in known:
            path.unlink(missing_ok=True)


def post_waiting(project: Project, ledger: Ledger) -> Iterator[str]:
    """Post the events that no server has taken yet, those of the oldest run first; yield what went wrong."""
    address = os.environ.get(URL, "").strip()
    if not address:
        return
    if not address.startswith(("http://", "https://")):
        yield f"the events are not posted: {URL} is not an address such as https://HOST/api/v1/lineage"
        return
    end = time.monotonic() + _SECONDS
    waiting = ledger.ask("select run_id, accepted from lineage where accepted < events order by run_id")
    refused = 0
    for run_id, accepted in waiting:
        try:
            lines = file_of(project, run_id).read_bytes().splitlines()
        except FileNotFoundError:
            lines = []
        found = post_each(address, lines[accepted:], _headers, end=end, one=_ONE, refused=_REFUSED)
        refused += found.refused
        taken, why = accepted + found.taken, found.why
        _note_taken(ledger, run_id, taken, is_done=not why)
        if why:
            left = len(lines) - taken
            yield (
                f"{counted(left, 'event')} of run {run_id} were not taken by the server of {URL}: {why}. The next "
                "run tries again"
            )
            break
    if refused:
        yield f"the server of {URL} refused {counted(refused, 'event')}, which are not sent again"


def _note_taken(ledger: Ledger, run_id: str, taken: int, *, is_done: bool) -> None:
    changed = "events" if is_done else "?"
    values = (run_id,) if is_done else (taken, run_id)
    ledger.change((f"update lineage set accepted = {changed} where run_id = ?", [values]))


def _headers(_: bytes) -> dict[str, str]:
    token = os.environ.get(TOKEN, "").strip()
    return {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
