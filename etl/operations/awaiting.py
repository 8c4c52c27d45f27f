"""Waiting for one delivery, for scripts: looked for again and again, as the night judges it, without any lock."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from etl.errors import ConfigError, DeliveryError, unknown
from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.plan.waiting import why_not_there
from etl.project import Project
from etl.sources import Source


@dataclass(frozen=True, kw_only=True)
class Waited:
    """What became of waiting for a delivery: `why` it is not there, empty if it is; for how many `seconds`."""

    source: str
    date: date
    why: str
    seconds: float


def wait_for(
    project: Project,
    name: str,
    day: date,
    *,
    within: float,
    poll: float,
    tell: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Waited:
    """Look for a source's delivery of a day each `poll` seconds until it is there, for `within` seconds.

    It is there if it is complete, or was taken before. Each new reason why it is not is told. The last look is at
    the end of the window. Raises ConfigError if there is no such source, and what the definitions raise.
    """
    with closing(Ledger(project.ledger, is_reading=True)) as ledger:
        catalog, _ = definitions(project, ledger)
    if name not in catalog.sources:
        raise ConfigError(unknown(f"There is no source {name}", name, catalog.sources))
    begun, told = clock(), ""
    while why := _look(project, catalog.sources[name], day):
        left = begun + within - clock()
        if left <= 0:
            break
        if why != told:
            tell(why)
        told = why
        sleep(min(poll, left))
    return Waited(source=name, date=day, why=why, seconds=clock() - begun)


def _look(project: Project, source: Source, day: date) -> str:
    """Return why a delivery is not there; a folder that cannot be listed now may be mounted again later."""
    try:
        # a copy of now: a night that ended meanwhile may have taken it
        with closing(Ledger(project.ledger, is_reading=True)) as ledger:
            return why_not_there(project, ledger, source, day, day)
    except DeliveryError as error:
        return str(error).rstrip(".")
    except OSError as error:
        return f"it cannot be looked at: {error}"
