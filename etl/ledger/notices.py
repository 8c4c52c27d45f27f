"""What was told of runs: incidents that are not over, and messages with what became of each on its channel.

A message is claimed before it is sent. One whose sender was killed is never sent again: it may have arrived.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from etl.ledger.ledger import Ledger
from etl.ledger.rows import now

#: What may be the case with a message: it is to be sent, is being sent, has arrived; nobody knows, since its
#: sender was killed; or it could not be sent for so long that nobody wants it any more.
WAITING, SENDING, SENT, UNKNOWN, DROPPED = "waiting", "sending", "sent", "unknown", "dropped"
#: So long is a message tried again, so many times at the most; and so long it is kept.
_TRIED_DAYS, _TRIES, _KEPT_DAYS = 7, 20, 90
#: A sender ends sooner than that, whatever happens.
_SENDER_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Incident:
    """What is wrong since a run, and was told: by its key it is known again on another night."""

    key: str
    kind: str
    subject: str
    headline: str
    owners: tuple[str, ...] = ()
    run_id: str = ""
    opened_at: str = ""
    last_date: str = ""
    nights: int = 1


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A message to one channel. `said` is why it could not be sent when it was last tried."""

    channel: str
    title: str
    body: str
    id: int = 0
    run_id: str = ""
    at: str = ""
    state: str = WAITING
    tries: int = 0
    tried_at: str = ""
    said: str = ""


def incidents(ledger: Ledger) -> list[Incident]:
    """Return what is wrong and was told, the oldest first."""
    rows = ledger.ask(
        "select key, kind, subject, headline, owners, run_id, opened_at, last_date, nights from incidents "
        "order by opened_at, key"
    )
    names = ("key", "kind", "subject", "headline", "owners", "run_id", "opened_at", "last_date", "nights")
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return [Incident(**{**row, "owners": tuple(json.loads(row["owners"]))}) for row in found]


def note_begun(ledger: Ledger, run_id: str) -> None:
    """Note that a run is to be told of when it has ended, by the next one if it cannot itself."""
    ledger.change(("insert or ignore into untold values (?)", [(run_id,)]))


def untold(ledger: Ledger) -> list[str]:
    """Return the runs that are to be told of, the oldest first."""
    return [str(row[0]) for row in ledger.ask("select run_id from untold order by rowid")]


def note_told(
    ledger: Ledger,
    run_ids: Collection[str],
    opened: Iterable[Incident],
    over: Iterable[str],
    notices: Iterable[Notice],
) -> None:
    """Note in one transaction that runs were told of: what is wrong since, what is over, and the messages."""
    at = now()
    old = (datetime.now(UTC) - timedelta(days=_KEPT_DAYS)).isoformat(timespec="microseconds")
    incidents = [
        (
            *(i.key, i.kind, i.subject, i.headline, json.dumps(i.owners)),
            i.run_id,
            i.opened_at or at,
            i.last_date,
            i.nights,
        )
        for i in opened
    ]
    messages = [(n.run_id, at, n.channel, n.title, n.body, WAITING, 0, "", "", "") for n in notices]
    columns = "run_id, at, channel, title, body, state, tries, tried_at, said, claim"
    ledger.change(
        ("insert or replace into incidents values (?, ?, ?, ?, ?, ?, ?, ?, ?)", incidents),
        ("delete from incidents where key = ?", [(key,) for key in over]),
        (f"insert into notices ({columns}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", messages),
        ("delete from untold where run_id = ?", [(run_id,) for run_id in run_ids]),
        ("delete from notices where at < ? and state <> ?", [(old, WAITING)]),
    )


def notices(ledger: Ledger, *states: str) -> list[Notice]:
    """Return the messages in these states, the oldest first; without any, all."""
    marks = ", ".join("?" for _ in states)
    return _notices(ledger, f"where state in ({marks})" if states else "", states)


def claim(ledger: Ledger, token: str, channels: Collection[str]) -> list[Notice]:
    """Take the messages that wait for these channels, so that nobody else sends them, and return them.

    What another sender claimed, and has said nothing of since, is UNKNOWN from now on. What was tried too often
    or too long is DROPPED.
    """
    at = datetime.now(UTC)
    gone = (at - timedelta(seconds=_SENDER_SECONDS)).isoformat(timespec="microseconds")
    old = (at - timedelta(days=_TRIED_DAYS)).isoformat(timespec="microseconds")
    mine = [(SENDING, token, at.isoformat(timespec="microseconds"), WAITING, name) for name in channels]
    ledger.change(
        ("update notices set state = ? where state = ? and tried_at < ?", [(UNKNOWN, SENDING, gone)]),
        (
            "update notices set state = ? where state = ? and (at < ? or tries >= ?)",
            [(DROPPED, WAITING, old, _TRIES)],
        ),
        (
            "update notices set state = ?, claim = ?, tried_at = ?, tries = tries + 1 "
            "where state = ? and channel = ?",
            mine,
        ),
    )
    return _notices(ledger, "where state = ? and claim = ?", (SENDING, token))


def note_sent(ledger: Ledger, notice: int) -> None:
    """Note that a message has arrived."""
    ledger.change(("update notices set state = ?, said = '' where id = ?", [(SENT, notice)]))


def note_unsent(ledger: Ledger, notice: int, said: str) -> None:
    """Note why a message could not be sent; the next run tries again."""
    ledger.change(("update notices set state = ?, said = ? where id = ?", [(WAITING, said, notice)]))


def is_anything_open(ledger: Ledger, run_id: str) -> bool:
    """Return whether anything was told that is not over, or is still to be told or sent, but for this run."""
    query = (
        "select exists (select 1 from incidents) or exists (select 1 from notices where state in (?, ?)) "
        "or exists (select 1 from untold where run_id <> ?)"
    )
    return bool(ledger.ask(query, (WAITING, SENDING, run_id))[0][0])


def durations(ledger: Ledger, run_id: str, number: int = 30) -> list[float]:
    """Return how long the last runs took that published, in seconds, the newest first; without this one."""
    query = (
        "select (julianday(finished_at) - julianday(started_at)) * 86400 from runs "
        "where outcome = 'published' and finished_at <> '' and run_id <> ? order by rowid desc limit ?"
    )
    return [float(row[0]) for row in ledger.ask(query, (run_id, number)) if row[0] is not None]


def last_step(ledger: Ledger, run_id: str) -> str:
    """Return the last step that a run has finished; empty if it has finished none."""
    query = "select step, name, partition from receipts where run_id = ? order by finished_at desc limit 1"
    return next((" ".join(filter(None, row)) for row in ledger.ask(query, (run_id,))), "")


def runs_of(ledger: Ledger, run_ids: Collection[str]) -> list[tuple[str, str, str, str]]:
    """Return id, batch date, time of the start and outcome of runs, the one that began first first."""
    marks = ", ".join("?" for _ in run_ids)
    query = f"select run_id, batch_date, started_at, outcome from runs where run_id in ({marks}) order by rowid"
    return [(row[0], row[1], row[2], row[3]) for row in ledger.ask(query, [*run_ids])]


def _notices(ledger: Ledger, where: str, values: Sequence[object]) -> list[Notice]:
    names = ("id", "run_id", "at", "channel", "title", "body", "state", "tries", "tried_at", "said")
    rows = ledger.ask(f"select {', '.join(names)} from notices {where} order by id", values)
    return [Notice(**dict(zip(names, row, strict=True))) for row in rows]
