"""Deliveries that failed night after night: how many nights, and of which content, so that they can be parked."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import KW_ONLY, astuple, dataclass

from etl.ledger.ledger import Ledger


@dataclass(frozen=True)
class FailedNights:
    """A delivery that failed; of a snapshot, which has no date of its own, `partition` is empty.

    `nights` counts batch dates, the newest of which is `last_date`; `content` stands for the file, the contract,
    the source and what was decided: another one is tried as if it had never failed.
    """

    source: str
    partition: str
    content: str
    nights: int
    _: KW_ONLY
    last_date: str


def failed_nights(ledger: Ledger) -> dict[tuple[str, str], FailedNights]:
    """Return what failed and was not taken since, by source and partition."""
    rows = ledger.ask("select source, partition, content, nights, last_date from failed_nights")
    return {(row[0], row[1]): FailedNights(*row[:4], last_date=row[4]) for row in rows}


def note_failed_nights(ledger: Ledger, failed: Iterable[FailedNights]) -> None:
    """Note that deliveries failed on a night; one that failed on it before counts once."""
    ledger.change((_COUNT, [astuple(one) for one in failed]))


def forget_failed_nights(ledger: Ledger, source: str, partitions: Collection[str]) -> None:
    """Forget that deliveries failed which are taken now."""
    sql = "delete from failed_nights where source = ? and partition = ?"
    ledger.change((sql, [(source, partition) for partition in partitions]))


_COUNT = """
insert into failed_nights values (?, ?, ?, ?, ?) on conflict (source, partition) do update set
    nights = case when content <> excluded.content then 1
        when last_date < excluded.last_date then nights + 1 else nights end,
    last_date = max(last_date, excluded.last_date), content = excluded.content"""
