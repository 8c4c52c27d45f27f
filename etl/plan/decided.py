"""Which decisions about rejected records have no effect any more, or may have none after the next run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from etl.errors import ConfigError, counted, few
from etl.ledger.keys import extract_key
from etl.plan.plan import Plan
from etl.plan.reasons import about_delivery
from etl.stages.lake.corrections import corrections_file, read_corrections

_LIST = "etl quarantine list"
_MOST_SHOWN = 3


def decided_notes(plan: Plan) -> Iterator[str]:
    """Yield a sentence for each partition with decisions that lost their effect, or can lose it, and why.

    Whether a record keeps a changed contract is known once it is taken again.
    """
    for name, held in plan.held.items():
        for day, delivery in held.others.items():
            if delivery.corrections and (note := _note(plan, name, day)):
                yield f"{name}: {note}"


def _note(plan: Plan, name: str, day: date) -> str:
    key, delivery = extract_key(name, day), plan.held[name][day]
    receipt = plan.receipts.get(key)
    if receipt is None or not delivery.is_in_raw:
        return ""
    stale = receipt.details.get("stale", [])
    if key not in plan.stale:
        why = few(dict.fromkeys(receipt.details.get("why_stale", ())), _MOST_SHOWN, "; ")
        return f"{_decisions(len(stale), day)} no effect any more: {why}: {_LIST}" if stale else ""
    try:
        decided = list(read_corrections(corrections_file(plan.project, plan.catalog.sources[name], day)))
    except ConfigError as error:
        return str(error)
    files = {file.name for file in delivery.files}
    if lost := sum(item.file not in files for item in decided):
        return (
            f"{_decisions(lost, day)} no effect: the file is gone or renamed, it is {delivery.file} now: {_LIST}"
        )
    if receipt.details.get("corrections") != delivery.corrections:
        return ""
    rest = "a record that keeps the contract then, or is not where it was, has no decision any more"
    return (
        f"{_decisions(len(decided), day)} to be applied again ({about_delivery(plan, name, day)}): {rest}: {_LIST}"
    )


def _decisions(number: int, day: date) -> str:
    return f"{counted(number, 'decision')} about {day} {'has' if number == 1 else 'have'}"
