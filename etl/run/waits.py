"""The run waits for required deliveries that somebody has to bring, within the windows of their sources."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo

from etl.errors import DeliveryError
from etl.ledger import Ledger, Run
from etl.project import Project
from etl.project.durations import seconds_in
from etl.run.deadline import deadline_of

if TYPE_CHECKING:
    from etl.plan import Plan
    from etl.plan.waiting import Window
    from etl.sources import Source

log = logging.getLogger("etl")


class Waiting(Protocol):
    """The run under way, as far as it waits."""

    project: Project
    ledger: Ledger
    row: Run
    is_whole: bool
    awaited: dict[str, Sequence[date]]

    @property
    def plan(self) -> Plan:
        """What the run does."""

    def watch_parent(self) -> None:
        """End this process when the one that holds the run ends."""


def due(run: Waiting, plan: Plan) -> dict[str, Sequence[date]]:
    """Return the deliveries that a night waits for which has begun within the window of their source.

    They are those of today that are required and not there; a snapshot has to be of today. Whether what is fetched
    is there, nobody knows before it was; see late().
    """
    return _due(run, plan, [name for name, source in plan.catalog.sources.items() if not source.fetch])


def late(run: Waiting, names: Iterable[str]) -> dict[str, Sequence[date]]:
    """Return those of fetched sources that a night waits for, after they were fetched and did not bring it."""
    return _due(run, run.plan, [name for name in names if run.plan.catalog.sources[name].fetch])


def is_awaited(run: Waiting, plan: Plan, source: Source) -> bool:
    """Return whether a night waits for a source, if its delivery is not there."""
    if not source.wait or not run.is_whole or plan.scope.first > date.min:
        return False
    window = _window(run, source)
    # the days of before are over, and nobody brings their deliveries now
    return window is not None and plan.scope.last >= window.day and plan.scope.takes_source(source.name)


def _due(run: Waiting, plan: Plan, names: Iterable[str]) -> dict[str, Sequence[date]]:
    found: dict[str, Sequence[date]] = {}
    for source in (plan.catalog.sources[name] for name in names):
        last = plan.scope.last
        if not is_awaited(run, plan, source):
            continue
        if source.has_days and source.name not in plan.missing:
            continue
        if source.is_asked_each_night or not source.has_days:
            found |= {source.name: [last]} if _look(run, plan, source, last) else {}
        else:
            found[source.name] = [plan.missing[source.name]]
    return found


def waited(run: Waiting, names: Mapping[str, Sequence[date]]) -> dict[str, Sequence[date]]:
    """Return those of some deliveries that only waiting can bring."""
    sources = run.plan.catalog.sources
    return {name: days for name, days in names.items() if sources[name].wait and not sources[name].fetch}


def may_wait(plan: Plan) -> bool:
    """Return whether a night may have waited for something of a plan."""
    return any(source.wait for source in plan.catalog.sources.values())


def wait(
    run: Waiting,
    source: Source,
    day: date,
    *,
    ask: Callable[[], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Look for a delivery until it is there, or the window of its source or the time of the night is over.

    `ask` has it fetched before each look but the first; at least once, however long others were waited for.
    """
    said, poll, is_asked = "", seconds_in(source.poll) or 0, ask is None
    while why := look(run, source, day):
        run.watch_parent()
        left = (_end(run, source) - _now()).total_seconds()
        if left <= 0 and is_asked:
            break
        if left > 0:
            if why != said:
                log.info("waiting for %s %s until %s: %s", source.name, day, _until(run, source), why)
            said = why
            sleep(min(poll, left))
        if ask:
            ask()
            is_asked = True


def look(run: Waiting, source: Source, day: date) -> str:
    """Return why a delivery is not there; a folder that cannot be listed now may be mounted again later."""
    return _look(run, run.plan, source, day)


def _look(run: Waiting, plan: Plan, source: Source, day: date) -> str:
    # a night with nothing new imports none of it
    from etl.plan.waiting import why_not_there

    window = _window(run, source)
    if source.is_asked_each_night:
        # it is asked for today, and may have to bring an earlier day
        day = plan.missing.get(source.name, day)
    try:
        return why_not_there(run.project, run.ledger, source, day, window.day if window else day)
    except DeliveryError as error:
        return str(error).rstrip(".")
    except OSError as error:
        return f"it cannot be looked at: {error}"


def why_late(run: Waiting, source: Source, day: date) -> str:
    """Return why a delivery that was waited for is not there; empty if it is."""
    why = look(run, source, day)
    return f"It was waited for until {_until(run, source)}, and {why}" if why else ""


def _window(run: Waiting, source: Source) -> Window | None:
    from etl.plan.waiting import window_at

    began = datetime.fromisoformat(run.row.started_at)
    return window_at(source.wait, run.project.settings.timezone, began)


def _end(run: Waiting, source: Source) -> datetime:
    """Return until when a run waits for a source: what comes after its deadline would be of no use to it."""
    window, deadline = _window(run, source), deadline_of(run.project, datetime.fromisoformat(run.row.started_at))
    assert window
    return min(window.end, deadline) if deadline else window.end


def _until(run: Waiting, source: Source) -> str:
    timezone = run.project.settings.timezone
    return f"{_end(run, source).astimezone(ZoneInfo(timezone)):%H:%M} ({timezone})"


def _now() -> datetime:
    return datetime.now(UTC)
