"""What was deployed: which commit ran when, in which environment, and which generations it made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from etl.ledger import Ledger, Run
from etl.ledger.history import History, RunFacts
from etl.ledger.lock import under_way
from etl.project import Project, environments, load_project
from etl.stages import published

#: Kinds of what happens with a commit: a run of it, and a generation of it that another environment made.
RUN, PROMOTION = "run", "promotion"


@dataclass(frozen=True, kw_only=True)
class Event:
    """A run, or a promotion, of a commit. Times are UTC, ISO 8601; without git the commit is empty."""

    kind: str
    at: str
    commit: str
    is_dirty: bool | None = None
    version: str = ""
    outcome: str = ""
    generation: str = ""
    origin: str = ""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One commit in one environment, from its first run or promotion until another commit came after it.

    `version` is that of etl, `outcome` that of the last run. `current` is the generation of it that is published
    now, empty if that is of another deployment. `origin` names the environment that it was promoted from.
    """

    environment: str
    commit: str
    is_dirty: bool | None
    version: str
    since: str
    until: str
    runs: int
    outcome: str
    generations: Sequence[str] = field(default=())
    current: str = ""
    origin: str = ""


def deployed(project: Project) -> list[Deployment]:
    """Return what was deployed in every environment of a project that has data, the newest first."""
    places = [load_project(project.root, name) for name in environments(project)]
    found = [one for place in places if place.ledger.exists() for one in _of(place)]
    return sorted(found, key=lambda one: one.since, reverse=True)


def _of(project: Project) -> list[Deployment]:
    ledger = Ledger(project.ledger, is_reading=True)
    events = sorted([*_runs(project, ledger), *_promotions(project, ledger)], key=lambda event: event.at)
    # what does not know its commit is told apart by the version of etl
    groups = groupby(_known(events), lambda event: (event.commit, event.is_dirty, event.version, event.origin))
    found = [_deployment(project.environment_name, list(group)) for _, group in groups]
    current = published.current(project)
    holder = next((one for one in reversed(found) if current in one.generations), None)
    return [replace(one, current=current or "") if one is holder else one for one in found]


def _known(events: Iterable[Event]) -> Iterator[Event]:
    """Yield events; a run that found nothing new has not looked at its code, which is that of the run before."""
    before: Event | None = None
    for event in events:
        if before and event.is_dirty is None and event.commit == before.commit:
            event = replace(event, is_dirty=before.is_dirty)
        yield event
        before = event


def _deployment(environment: str, events: Sequence[Event]) -> Deployment:
    first, last = events[0], events[-1]
    return Deployment(
        environment=environment,
        commit=first.commit,
        is_dirty=first.is_dirty,
        version=first.version,
        since=first.at,
        until=last.at,
        runs=sum(event.kind == RUN for event in events),
        outcome=last.outcome,
        generations=[event.generation for event in events if event.generation],
        origin=first.origin,
    )


def _runs(project: Project, ledger: Ledger) -> Iterator[Event]:
    """Yield the runs of an environment; the ledger of one that was made from another has the runs of that too."""
    history, current = History(ledger), under_way(project, ledger)
    facts, made = history.facts(), history.generations_made()
    for run in ledger.runs():
        known = facts.get(run.run_id, RunFacts(run_id=run.run_id))
        if known.environment in ("", project.environment_name):
            yield _run(
                run, known, made.get(run.run_id, ""), is_under_way=bool(current and current.run_id == run.run_id)
            )


def _run(run: Run, facts: RunFacts, generation: str, *, is_under_way: bool) -> Event:
    return Event(
        kind=RUN,
        at=run.started_at,
        commit=run.git_commit,
        is_dirty=facts.is_dirty,
        version=run.versions.get("etl", ""),
        outcome=run.outcome or ("under way" if is_under_way else "killed"),
        generation=generation,
    )


def _promotions(project: Project, ledger: Ledger) -> Iterable[Event]:
    """Yield the promotions to an environment, with what the record of the generation says of its commit."""
    for switch in ledger.switches():
        if switch.kind != "promote":
            continue
        record = published.read_record(project.generations / switch.generation)
        yield Event(
            kind=PROMOTION,
            at=switch.at,
            commit=record.git_commit if record else "",
            is_dirty=not record.is_committed if record and record.git_commit else None,
            version=record.versions.get("etl", "") if record else "",
            outcome="promoted",
            generation=switch.generation,
            origin=str(record.origin.get("environment", "")) if record else "",
        )
