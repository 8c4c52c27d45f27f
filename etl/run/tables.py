"""What raw tables should hold, by the plan of a run and the receipts of what was taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from etl.contract.masking import disguised
from etl.errors import counted
from etl.ledger import Key, Receipt
from etl.ledger.keys import extract_key, load_key
from etl.plan import Plan
from etl.plan.views import was_view
from etl.sources import Source
from etl.stages import lake, warehouse


def table_of(plan: Plan, source: str, receipts: Mapping[Key, Receipt]) -> warehouse.Table:
    """Return the raw table of a source as the receipts of its partitions say that it should be."""
    held: Mapping[date, Receipt] = held_receipts(plan, source, receipts)
    if not plan.catalog.sources[source].has_dates:
        held = _accepted(source, held, receipts)
    return warehouse.Table(
        source=plan.catalog.sources[source],
        content=plan.fingerprints[load_key(source)],
        partitions=warehouse.Partitions(
            {day: _content(extracted) for day, extracted in held.items()},
            sum(extracted.details["rows"] for extracted in held.values()),
            lambda day: _partition(plan.catalog.sources[source], day, held[day]),
        ),
        # a snapshot that stands in for one that is refused may be of an earlier contract too
        kept=frozenset(plan.taken[source].outdated)
        | {day for day, receipt in held.items() if receipt.outcome == "kept" or day not in plan.held[source]},
        anew=frozenset(day for day in held if plan.forced and extract_key(source, day) in plan.forced),
        withdrawn=plan.withdrawn[source],
        lost=plan.taken[source].lost,
        given_up=plan.taken[source].given_up,
        allow_withdrawn=source in plan.scope.allow_withdrawn.split(","),
        was_view=False if load_key(source) in plan.forced else was_view(receipts, source) or None,
    )


def held_receipts(plan: Plan, source: str, receipts: Mapping[Key, Receipt]) -> dict[date, Receipt]:
    """Return the receipt of each partition that is held, in order."""
    held = plan.held[source]
    settled = {day: receipts[known.key] for day, known in held.settled.items()}
    return dict(sorted((settled | {day: receipts[extract_key(source, day)] for day in held.others}).items()))


def _content(extracted: Receipt) -> str:
    """Return what the rows of a partition are known by; those that were kept came with an earlier receipt."""
    if extracted.outcome == "kept":
        return str(extracted.details["kept"]["fingerprint"])
    return extracted.fingerprint


def _accepted(
    source: str, held: Mapping[date, Receipt], receipts: Mapping[Key, Receipt]
) -> Mapping[date, Receipt]:
    """Return a snapshot's newest partition that was not refused, in place of one that was."""
    if not any(receipt.outcome == "refused" for receipt in held.values()):
        return held
    newest = _newest_accepted(source, receipts)
    return held if newest is None else {date.fromisoformat(newest.key.partition): newest}


def _newest_accepted(source: str, receipts: Mapping[Key, Receipt]) -> Receipt | None:
    done = [r for key, r in receipts.items() if key[:2] == ("extract", source) and r.outcome in lake.ACCEPTED]
    return max(done, key=lambda receipt: (receipt.run_id, receipt.key.partition), default=None)


def rows_before(plan: Plan, source: str, dates: Sequence[date]) -> dict[date, Receipt]:
    """Return the receipts of the rows that deliveries of these dates would replace, if there are any."""
    if not plan.catalog.sources[source].has_dates:
        newest = _newest_accepted(source, plan.receipts)
        return {day: newest for day in dates if newest}
    known = {day: plan.receipts.get(extract_key(source, day)) for day in dates}
    return {day: receipt for day, receipt in known.items() if receipt and receipt.outcome in lake.ACCEPTED}


def _partition(source: Source, day: date, extracted: Receipt) -> warehouse.Partition:
    facts = extracted.details
    sha256 = disguised(facts["sha256"], source.contract)
    return warehouse.Partition(
        day,
        _content(extracted),
        facts["file"],
        sha256,
        records=facts["records"],
        rows=facts["rows"],
        rejected=facts["rejected"],
        discarded=facts.get("discarded", 0),
        # what an older etl took has not counted the lines that it skipped
        lines=facts.get("lines", facts["records"]),
        skipped=facts.get("skipped", 0),
        is_refused=extracted.outcome == "refused",
        alike=facts.get(lake.ALIKE, ()),
    )


def told_form(plan: Plan, loaded: Receipt, receipts: Mapping[Key, Receipt]) -> str:
    """Return that a raw table is a view over the lake from now on, or no more; empty if it is as it was before."""
    name, before = loaded.key.name, loaded.key in receipts
    is_view = "as" in loaded.details
    if is_view == was_view(receipts, name) or not (before or plan.catalog.sources[name].load == "auto"):
        return ""
    if not is_view:
        return f"raw.{name} is a table again, and no view over the lake"
    limit = plan.project.settings.view_rows
    is_large = plan.catalog.sources[name].load == "auto"
    why = f": {counted(loaded.details['rows'], 'row')}, more than view_rows = {limit:,}" if is_large else ""
    return f"raw.{name} is a view over the lake from now on{why}"
