"""Rollback: an earlier generation is the current one again, and what is wrong with the later ones is held."""

from __future__ import annotations

from etl.errors import PublishError, unknown
from etl.ledger import Ledger, now
from etl.project import Project
from etl.stages.published.hold import Hold, offending, read_hold, remove_hold, write_hold
from etl.stages.published.record import read_record
from etl.stages.published.retention import generations
from etl.stages.published.switches import switch_to
from etl.stages.published.switching import current


def rollback(project: Project, ledger: Ledger, generation: str = "", by: str = "", reason: str = "") -> str:
    """Make `generation` the current one, with its exports; by default the one before the current. Return its name.

    What comes after it is held until what came with the generation that was rolled back changes; going forward to
    that one ends it. Raises PublishError if the generation is not there.
    """
    there, now_current = generations(project), current(project)
    target = generation or _before(there, now_current)
    if target not in there:
        raise PublishError(unknown(f"There is no generation {target}", target, there))
    if target == now_current:
        raise PublishError(f"{target} is already the current generation.")
    hold = read_hold(project)
    held = hold.held if hold and not hold.damage else now_current
    is_back = held in there and there.index(target) < there.index(held)
    if held and is_back:
        good, bad = (read_record(project.generations / name) for name in (target, held))
        write_hold(
            project,
            Hold(current=target, held=held, at=now(), by=by, reason=reason, offending=offending(good, bad)),
        )
    switch_to(project, ledger, target, "rollback", by, reason)
    if not is_back:
        remove_hold(project)
    return target


def _before(there: list[str], now_current: str | None) -> str:
    if now_current is None:
        raise PublishError("Nothing is published yet. Run `luigi --module etl Nightly` first.")
    older = there[: there.index(now_current)] if now_current in there else there
    if not older:
        raise PublishError(f"There is no generation before {now_current}. See `etl generations`.")
    return older[-1]
