"""Which raw tables are views over the lake, by what sources say and the rows that receipts know of."""

from __future__ import annotations

from collections.abc import Mapping

from etl.ledger import Key, Receipt
from etl.ledger.keys import extract_key, load_key
from etl.plan.settled import Days
from etl.project.settings import Settings
from etl.sources import Source
from etl.stages.warehouse.views import is_to_be_view


def was_view(receipts: Mapping[Key, Receipt], source: str) -> bool:
    """Return whether a raw table was a view over the lake when it was loaded last."""
    receipt = receipts.get(load_key(source))
    return receipt is not None and receipt.details.get("as") == "view"


def will_be_view(settings: Settings, source: Source, held: Days, receipts: Mapping[Key, Receipt]) -> bool:
    """Return whether a raw table that holds these partitions is to be a view over the lake.

    A partition that was never taken has no rows yet.
    """
    was = was_view(receipts, source.name)
    if source.load == "auto" and not was:
        known = [*held.settled.values(), *(receipts.get(extract_key(source.name, day)) for day in held.others)]
        rows = sum(receipt.details["rows"] for receipt in known if receipt)
    else:
        rows = 0
    return is_to_be_view(settings, source, rows, was_view=was)
