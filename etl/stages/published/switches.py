"""The history of what was current: every switch to another generation is in the ledger, with who and why."""

from __future__ import annotations

from etl.ledger import Ledger, Switch, now
from etl.project import Project
from etl.stages.published.hold import read_hold
from etl.stages.published.record import read_record
from etl.stages.published.switching import current, switch


def switch_to(
    project: Project, ledger: Ledger, generation: str, kind: str, by: str = "", reason: str = ""
) -> None:
    """Make `generation` the current one, and note that: of what `kind` it was, who did it and why."""
    before = note_missed(project, ledger)
    switch(project, generation)
    ledger.note_switch(Switch(now(), generation, before, kind, by=by, reason=reason))


def note_missed(project: Project, ledger: Ledger) -> str:
    """Return the current generation, or nothing; note it if the ledger does not know that it is.

    That is so if a command was killed right after the switch, or if the ledger was lost.
    """
    there, known = current(project) or "", ledger.switches()
    if there and (not known or known[0].generation != there):
        ledger.note_switch(_missed(project, there, [switch.generation for switch in known]))
    return there


def _missed(project: Project, there: str, known: list[str]) -> Switch:
    """Return a switch as hold and record tell it."""
    hold, record, before = read_hold(project), read_record(project.current), known[0] if known else ""
    if hold and not hold.damage:
        return Switch(hold.at, there, before, "rollback", by=hold.by, reason=hold.reason)
    if there in known:
        return Switch(now(), there, before, "rollback")
    at, origin = (record.published_at, record.origin) if record else (now(), {})
    kind = "promote" if origin else "publish"
    return Switch(at, there, before, kind, by=origin.get("by", ""), reason=origin.get("reason", ""))
