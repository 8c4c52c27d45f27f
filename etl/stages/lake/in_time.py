"""How long the deliveries of a source may take, and what is said of those that took too long or went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from etl.engine.limits import ended_after
from etl.errors import Crash, DeliveryError, EtlError, counted, few
from etl.ledger import Receipt
from etl.sources import Source
from etl.stages.raw import Delivery


def in_time(
    source: Source, deliveries: Sequence[Delivery], receipts: Callable[[], Iterable[Receipt]]
) -> AbstractContextManager[None]:
    """End the taking of deliveries after so long as their source allows; `receipts` are of what is taken."""

    def left() -> str:
        taken = {receipt.key.partition for receipt in receipts()}
        days = [str(delivery.date) for delivery in deliveries if str(delivery.date) not in taken]
        kept = f" Taken and kept: {len(taken):,} of {counted(len(deliveries), 'partition')}"
        return f"{kept}; left: {few(days)}." if days else f"{kept}."

    what = f"{source.table}: taking its deliveries"
    return ended_after(source.timeout_minutes, what, ("extract", source.name), left=left)


def failure(source: Source, problems: Sequence[str], traces: Sequence[str], *, has_crashed: bool) -> EtlError:
    """Return what is raised for deliveries that were not taken."""
    error: EtlError = (Crash if has_crashed else DeliveryError)("\n".join(problems))
    error.parts = problems
    error.traces = {source.name: "\n".join(traces)}
    return error
