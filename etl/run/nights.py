"""Counting the nights on which a delivery fails, so that it is parked when it was tried often enough."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from etl.errors import DeliveryError
from etl.plan import parked
from etl.run.recording import Recorded
from etl.sources import Source
from etl.stages.raw import Delivery

log = logging.getLogger("etl")


@contextmanager
def counted(run: Recorded, source: Source, deliveries: Sequence[Delivery]) -> Iterator[None]:
    """Count a night more for deliveries that fail within, and say which are parked; forget those of others."""
    days = {delivery.date: delivery for delivery in deliveries}
    note = partial(parked.note, run.project, run.ledger, source, days, night=str(run.plan.scope.last))
    try:
        yield
    except DeliveryError as error:
        for failed in note(problems=error.parts):
            log.warning("warning: %s %s %s", failed.source, failed.partition, parked.why_parked(failed))
        raise
    note()
