"""The step before the plan is fixed: sources beyond files are fetched, and what became of each is noted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import date
from time import perf_counter
from typing import Any

from etl import engine
from etl.engine.limits import ended_after
from etl.errors import (
    ConfigError,
    DeadlinePassed,
    EtlError,
    FetchError,
    LedgerError,
    TimedOut,
    counted,
    sentence,
    unknown,
)
from etl.ledger import Ledger, now
from etl.ledger.fetches import FAILED, LANDED, UNCHANGED, FetchRow, fetch_of, write_fetch
from etl.ledger.history import StepId
from etl.project import Project
from etl.project.secret import without_secrets
from etl.run import recording
from etl.run.active import ActiveRun
from etl.sources import Source
from etl.stages import fetched
from etl.stages.fetched.fetch import kind_of

log = logging.getLogger("etl")


def fetch_in_run(run: ActiveRun, names: Sequence[str], day: date) -> None:
    """Fetch sources that are fetched together, as steps of a run; one that fails stops none of the others."""
    sources = [run.plan.catalog.sources[name] for name in names]
    with shared_by(sources, run.project.settings.retries) as shared:
        for source in sources:
            _note(run, source, _asked(run, source, day, shared))
            run.doing = None


def _asked(run: ActiveRun, source: Source, day: date, shared: Any) -> FetchRow:
    try:
        limit = ended_after(source.timeout_minutes, "fetching it", (recording.FETCH, source.name))
        with recording.recorded(run, recording.FETCH, [source.name]), limit:
            return fetch_one(run.project, run.ledger, source, day, run_id=run.row.run_id, shared=shared)
    except (DeadlinePassed, TimedOut) as error:
        said = f"{source.name}: {str(error).splitlines()[0]}"
        row = FetchRow(
            source=source.name,
            day=str(day),
            run_id=run.row.run_id,
            looked_at=now(),
            seconds=0,
            outcome=FAILED,
            message=said,
        )
        write_fetch(run.ledger, row)
        return row


def _note(run: ActiveRun, source: Source, row: FetchRow) -> None:
    step = StepId(recording.FETCH, source.name)
    with suppress(LedgerError):
        if row.outcome == FAILED:
            run.history.fail(run.row.run_id, {step: row.message})
        else:
            run.history.brought(run.row.run_id, step, rows=row.rows, bytes=row.bytes, did=told(row))


def fetch_one(
    project: Project,
    ledger: Ledger,
    source: Source,
    day: date,
    *,
    run_id: str,
    full: bool = False,
    since: str | None = None,
    shared: Any = None,
) -> FetchRow:
    """Fetch one source, again if it fails for a reason that passes; note and return what became of it."""
    started, at = perf_counter(), now()

    def row(outcome: str, **more: Any) -> FetchRow:
        seconds = perf_counter() - started
        known: dict[str, Any] = {
            "source": source.name,
            "day": str(day),
            "run_id": run_id,
            "looked_at": at,
            "seconds": seconds,
        }
        found = FetchRow(**known, outcome=outcome, **more)
        write_fetch(ledger, found)
        return found

    def ask() -> fetched.Fetched:
        if isinstance(shared, EtlError):
            raise FetchError(f"{source.name}: {sentence(str(shared))}")
        return fetched.fetch(project, source, day, full=full, since=since, shared=shared)

    try:
        found = engine.retried(ask, project.settings.retries, f"fetch {source.name}")
    except EtlError as error:
        return row(FAILED, message=str(error))
    done = row(
        LANDED if found.files else UNCHANGED,
        files=found.files,
        rows=found.rows if found.files else 0,
        bytes=found.bytes,
        cursor=found.newest.to if found.newest else None,
        message="; ".join(found.notes),
        file=found.newest.file if found.newest else "",
    )
    log.info("fetched %s: %s in %.2f s", source.name, told(done), done.seconds)
    for path in found.forgotten:
        log.info("deleted %s, which is older than keep_days", path)
    return done


def told(row: FetchRow) -> str:
    """Return what a fetch that did not fail has brought, in a few words."""
    if row.outcome == UNCHANGED:
        return "nothing new"
    return f"{counted(row.rows, 'row')}" if row.rows is not None else counted(len(row.files), "file")


def why_not(run: ActiveRun, source: str, day: date) -> str:
    """Return why a source could not be fetched in a run; empty if it was."""
    row = fetch_of(run.ledger, source, str(day))
    if row is None or row.run_id != run.row.run_id:
        return f"{source}: the fetch ended without a word. Was its process killed?"
    return row.message if row.outcome == FAILED else ""


def is_over(run: ActiveRun, source: str, day: date) -> bool:
    """Return whether a source was asked in this run, whatever became of it if other steps wait for that."""
    row = fetch_of(run.ledger, source, str(day))
    is_asked = row is not None and row.run_id == run.row.run_id
    return is_asked and (run.is_delivering or not why_not(run, source, day))


def check_fetches(run: ActiveRun, names: Iterable[str], day: date) -> None:
    """Raise FetchError if a source could not be fetched."""
    for why in filter(None, (why_not(run, name, day) for name in names)):
        raise FetchError(why)


def check_fetched(sources: Mapping[str, Source], names: Iterable[str]) -> None:
    """Raise ConfigError for a name that no source has, or of one whose deliveries are files."""
    for name in names:
        if name not in sources:
            raise ConfigError(unknown(f"There is no source {name}", name, sources))
        if sources[name].fetch is None:
            raise ConfigError(f"{name} is not fetched: its deliveries are files. Name another source.")


def groups(sources: Mapping[str, Source]) -> list[list[str]]:
    """Return the names of sources by what is fetched together, each group in order."""
    found: dict[str, list[str]] = {}
    for name, source in sorted(sources.items()):
        found.setdefault(source.fetch.together or f"\0{name}", []).append(name)
    return list(found.values())


@contextmanager
def shared_by(sources: Sequence[Source], retries: int) -> Iterator[Any]:
    """Give what a kind opens for all sources that are fetched together, if anything; or why it could not."""
    try:
        together = getattr(kind_of(sources[0]), "together", None) if sources[0].fetch.together else None
        fetches = [source.fetch for source in sources]

        def begin() -> tuple[Any, Any]:
            found = together(fetches) if together else nullcontext()
            return found, found.__enter__()

        opened, shared = engine.retried(begin, retries, f"fetch {sources[0].name}")
    except Exception as error:
        names = [name for source in sources for name in source.fetch.variables]
        yield FetchError(sentence(without_secrets(str(error), names) or type(error).__name__))
        return
    try:
        yield shared
    finally:
        with suppress(Exception):
            opened.__exit__(None, None, None)
