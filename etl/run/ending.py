"""How a run that was planned has ended: its outcome, what it did, and what is said of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from etl import engine
from etl.ledger import Key, Ledger, Receipt
from etl.ledger.keys import PUBLISH, UNDELIVERED, UNFETCHED
from etl.plan import Plan
from etl.project import Project
from etl.project.files import emptied
from etl.reports.summary import all_notes, summary
from etl.stages.warehouse import close_build

__all__ = ["close", "outcome_of", "summary", "totals"]


def close(project: Project) -> None:
    """Close the databases that were kept open from step to step; remove what lost workers of an executor left."""
    close_build(project)
    engine.close_shared_memory()
    # others may spill there, which the beginning of a run alone disturbs
    if project.settings.executor:
        emptied(project.scratch)


def outcome_of(
    plan: Plan, ledger: Ledger, receipts: Mapping[Key, Receipt], *, is_whole: bool, is_lacking: bool
) -> str:
    """Return how a run ended.

    `is_whole` says that all that was stale was asked for, `is_lacking` that a delivery lacks that must be there.
    """
    problems = [step for step, _ in ledger.problems(plan.run_id) if step not in (UNDELIVERED, UNFETCHED)]
    if "plan" in problems:
        # nobody knows what was to be done
        return "failed"
    if is_lacking and not problems:
        return "missing data"
    if not all(plan.is_done(key, receipts.get(key)) for key in plan.stale):
        is_partial = not is_whole and not problems
        return "partial" if is_partial else "failed"
    is_new = PUBLISH in plan.stale and receipts[PUBLISH].details["is_new"]
    return "published" if is_new else "unchanged"


def totals(plan: Plan, receipts: Mapping[Key, Receipt]) -> dict[str, Any]:
    """Return what a run did: records in, rows out and rejected, and seconds, by step."""
    mine = [receipt for receipt in receipts.values() if receipt.run_id == plan.run_id]
    seconds: dict[str, float] = defaultdict(float)
    for receipt in mine:
        seconds[receipt.key.step] += receipt.seconds
    extracted = [r.details for r in mine if r.key.step == "extract" and r.outcome != "kept"]
    counts = {name: sum(d[name] for d in extracted) for name in ("records", "rows", "rejected", "discarded")}
    said = {name: all_notes(plan, receipts, name) for name in plan.taken}
    return {
        **counts,
        "notes": {name: texts for name, texts in said.items() if texts},
        "late": {name: str(h.late_since) for name, h in plan.holes.items() if h.late_since},
        "seconds": {step: round(value, 3) for step, value in seconds.items()},
    }
