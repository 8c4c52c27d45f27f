"""What a run says when it is over: lines that answer, at 7 a.m., is it there, is all of it there, what now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from etl.errors import counted, few
from etl.ledger import FAILED, Key, Ledger, Receipt, Run, failed_note
from etl.ledger.keys import AUDIT, PUBLISH, UNDELIVERED, UNFETCHED, extract_key, load_key
from etl.plan.rhythm import Holes
from etl.project import Project
from etl.reports.holes import told_holes, told_late
from etl.stages.lake import ACCEPTED, FEW_ROWS_RATIO
from etl.stages.published import current, read_hold, read_record

if TYPE_CHECKING:
    from etl.plan.deliveries import Taken
    from etl.plan.plan import Plan

_LISTED = 5


def summary(plan: Plan, ledger: Ledger, run: Run, receipts: Mapping[Key, Receipt]) -> Iterator[str]:
    """Yield the lines about a finished run."""
    mine = [receipt for receipt in receipts.values() if receipt.run_id == plan.run_id]
    has_worked = any(receipt.run_id == run.run_id for receipt in receipts.values())
    newest = receipts[PUBLISH].details["generation"] if PUBLISH in receipts else ""
    headline = _headline(plan, run, has_worked, newest) + told_late(plan.holes)
    yield f"{plan.project.environment}: {headline}" if plan.project.environment else headline
    for receipt in failed_models(receipts, plan.models.models):
        yield f"  warning: {failed_note(receipt)}"
    if _is_over_nothing(plan):
        asked = f" of {plan.scope.source}" if plan.scope.source else ""
        yield f"  nobody delivered anything{asked} from {plan.scope.first} to {plan.scope.last}"
    for name in plan.catalog.sources:
        yield from _source(plan, name, receipts, [r for r in mine if r.key[:2] == ("extract", name)])
    yield from (
        f"  {message}" for step, message in ledger.problems(run.run_id) if step in (UNDELIVERED, UNFETCHED)
    )
    audited = receipts.get(AUDIT)
    if run.outcome == "published" or (audited and audited.run_id == run.run_id):
        warned = [check for check in ledger.checks().values() if not check.passed]
        for check in warned:
            examples = f", such as {check.examples[0]}" if check.examples else ""
            yield f"  warning: {check.name} found {counted(check.failing, 'row')}{examples}"
    if run.outcome not in ("published", "unchanged"):
        generation = current(plan.project)
        there = f"generation {generation} stays published" if generation else "nothing is published yet"
        yield f"  {there}; what is done is kept, and the next run continues from there"


def failed_models(receipts: Mapping[Key, Receipt], models: Collection[str]) -> list[Receipt]:
    """Return the receipts of the optional models that failed when they were last built."""
    found = (r for key, r in receipts.items() if key.step == "transform" and r.outcome == FAILED)
    return sorted((r for r in found if r.key.name in models), key=lambda r: r.key.name)


def notes(taken: Taken) -> list[str]:
    """Return what is to be said of deliveries of a source that are there, but not, or not quite, as expected."""
    found = [f"{day} {text}" for day, text in sorted({**taken.waiting, **taken.outdated}.items())]
    more = [f"... and {len(found) - _LISTED:,} more of that kind"] if len(found) > _LISTED else []
    lists = (("not taken", taken.left_out), ("sent again?", taken.repeats))
    return [*found[:_LISTED], *more, *(f"{what}: {few(texts)}" for what, texts in lists if texts)]


def kept_notes(receipts: Sequence[Receipt]) -> list[str]:
    """Return what is to be said of partitions that stay as they were accepted; `receipts` are the source's."""
    found = []
    for receipt in sorted((r for r in receipts if r.outcome == "kept"), key=lambda r: r.key.partition):
        facts, tried = receipt.details, receipt.details["tried"]
        is_change = facts["sha256"] == tried["sha256"]
        refused = f"what {tried['file']} is by the changed contract or source" if is_change else tried["file"]
        found.append(
            f"{receipt.key.partition} keeps the {counted(facts['rows'], 'row')} accepted on "
            f"{facts['kept']['finished_at'][:10]}; {refused} is refused: {facts['refused']}"
        )
    more = [f"... and {len(found) - _LISTED:,} more that keep what was accepted"] if len(found) > _LISTED else []
    return [*found[:_LISTED], *more]


def few_rows_notes(receipts: Sequence[Receipt], run_id: str) -> list[str]:
    """Return the warnings about deliveries of a run with much fewer rows than those that they replaced."""
    found = []
    for receipt in receipts:
        rows, earlier = receipt.details["rows"], receipt.details.get("replaced", 0)
        if receipt.run_id == run_id and receipt.outcome == "done" and rows < earlier * FEW_ROWS_RATIO:
            found.append(
                f"warning: {receipt.key.partition} has {counted(rows, 'row')} in place of {earlier:,}, "
                f"{earlier - rows:,} went: {receipt.details['file']} (min_rows_ratio would refuse it)"
            )
    more = [f"... and {len(found) - _LISTED:,} more with much fewer rows"] if len(found) > _LISTED else []
    return [*found[:_LISTED], *more]


def all_notes(plan: Plan, receipts: Mapping[Key, Receipt], name: str) -> list[str]:
    """Return all that is to be said of a source's deliveries beside what was taken."""
    mine = [r for day in plan.moving(name) if (r := receipts.get(extract_key(name, day))) is not None]
    stays = [r for r in mine if r.outcome in ACCEPTED and not plan.is_done(r.key, r)]
    found = [*kept_notes(mine), *few_rows_notes(mine, plan.run_id)]
    if stays:
        days = few(sorted(r.key.partition for r in stays))
        found.append(f"{days} keeps the rows accepted before: the new delivery was not taken")
    return [*found, *notes(plan.taken[name])]


def _headline(plan: Plan, run: Run, has_worked: bool, newest: str) -> str:
    if run.outcome == "published":
        return f"published {run.run_id} as {plan.project.warehouse}"
    generation = current(plan.project)
    if run.outcome == "unchanged" and generation not in (None, newest):
        how = _how(plan.project)
        return f"nothing new up to {plan.scope.last}; {how} {generation}. It stays until there is something new"
    if run.outcome == "unchanged" and has_worked:
        return f"nothing new to publish up to {plan.scope.last}: {plan.project.warehouse} holds all of it already"
    if run.outcome == "unchanged":
        return f"nothing new up to {plan.scope.last}: {plan.project.warehouse} is up to date"
    if run.outcome == "partial":
        done = "only what was asked for is done; it is not audited, so nothing is published"
        return f"run {run.run_id} of {run.batch_date}: {done}"
    return f"run {run.run_id} of {run.batch_date}: {run.outcome}; nothing was published"


def _how(project: Project) -> str:
    """Return how the current generation came to be that, if not by a publish here."""
    record = read_record(project.current)
    is_promoted = record is not None and record.origin and not read_hold(project)
    return f"{record.origin['environment']} has promoted" if record and is_promoted else "rolled back to"


def _is_over_nothing(plan: Plan) -> bool:
    """Return whether given dates were asked for, and there is no delivery of any."""
    scope, sources = plan.scope, plan.catalog.sources
    days = ((name, day) for name, held in plan.held.items() if sources[name].is_dated for day in held)
    return scope.first > date.min and not any(scope.takes(name, day) for name, day in days)


def _lost(plan: Plan, name: str, loaded: Receipt | None) -> str:
    """Return what became of snapshots that the lake has lost: they left the table in this run, or before."""
    is_new = set(plan.taken[name].lost) - plan.taken[name].given_up
    return "withdrawn" if is_new and loaded and loaded.run_id == plan.run_id else "lost"


def _source(plan: Plan, name: str, receipts: Mapping[Key, Receipt], mine: Sequence[Receipt]) -> Iterator[str]:
    """Yield the lines about a source, of which `mine` are the receipts of this run."""
    done = [receipt for receipt in mine if receipt.outcome == "done"]
    if done:
        rows = sum(receipt.details["rows"] for receipt in done)
        rejected = sum(receipt.details["rejected"] for receipt in done)
        hint = f" (etl quarantine {name})" if rejected else ""
        taken = f"{counted(len(done), 'partition')} taken, {counted(rows, 'row')}"
        discarded = sum(receipt.details["discarded"] for receipt in done)
        given_up = f", {discarded:,} discarded" if discarded else ""
        yield f"  {name}: {taken}, {rejected:,} rejected{given_up}{hint}"
    for receipt in mine:
        if receipt.outcome == "refused":
            details = receipt.details
            yield f"  {name}: {details['file']} is refused and left out: {details['refused']}"
    home = plan.catalog.sources[name].home
    gone, loaded = plan.withdrawn[name], receipts.get(load_key(name))
    if gone and plan.is_done(load_key(name), loaded):
        yield f"  {name}: withdrawn, the file is gone from {home}/: {few(gone)}"
    waiting = plan.taken[name].waiting
    if lost := plan.taken[name].lost:
        yield f"  {name}: {_lost(plan, name, loaded)}, the lake does not hold it any more: {few(lost)}"
    held = plan.held[name].values()
    kept = [] if plan.catalog.sources[name].is_dated or any(d.is_in_raw for d in held) else list(plan.held[name])
    if plan.catalog.sources[name].fetch is not None:
        # what was fetched after the batch date is there, and is not looked for
        kept = [day for day in kept if day <= plan.scope.last]
    if kept and not waiting and plan.scope.source in ("", name):
        yield f"  {name}: its file is gone from {home}/; the snapshot of {few(kept)} stays"
    for receipt in done:
        for note in receipt.details.get("skips", ()):
            yield f"  {name}: {receipt.details['file']}: {note}"
    for receipt in done:
        if receipt.details["records"] and not receipt.details["rows"]:
            yield f"  {name}: no record of {receipt.details['file']} keeps the contract"
        if stale := receipt.details.get("stale"):
            why = few(dict.fromkeys(receipt.details.get("why_stale", ())), 3, "; ")
            what = f"{counted(len(stale), 'decision')} about {receipt.details['file']} without effect any more"
            yield f"  {name}: {what}: {why}: etl quarantine list"
    if name in plan.lost and not waiting:
        gone_too = "and the lake does not hold it any more: the table is empty"
        yield f"  {name}: its file is gone from {home}/, {gone_too}"
    yield from (f"  {name}: {note}" for note in all_notes(plan, receipts, name))
    if told := told_holes(plan.holes.get(name, Holes()), waiting):
        yield f"  {name}: {told}"
    if name in plan.missing:
        day = plan.missing[name]
        why = f": it {waiting[day]}" if day in waiting else ""
        yield f"  {name}: required, but its delivery of {day} is missing{why}"
