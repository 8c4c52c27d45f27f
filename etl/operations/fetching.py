"""Fetching by hand: what `etl fetch` does, outside of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.ledger.fetches import FetchRow
from etl.ledger.lock import locked
from etl.plan.definitions import definitions
from etl.project import load_project
from etl.project.secret import use_environment
from etl.run.fetching import check_fetched, fetch_one, groups, shared_by
from etl.sources import Source
from etl.sources.fetches.changes import Changes
from etl.stages.fetched import drop_slot


def fetch_now(
    names: Sequence[str], *, full: bool = False, since: str | None = None, day: date | None = None
) -> list[FetchRow]:
    """Fetch sources, by default all that are fetched; one that fails stops none of the others.

    Raises ConfigError for a name that no source has, or of one whose deliveries are files, and in an environment
    that reads what another one has fetched.
    """
    project = load_project()
    use_environment(project.root)
    if not project.fetches:
        raise ConfigError(
            f"The environment {project.environment} reads what {project.fetched} holds and fetches nothing. Fetch "
            "there, or set a raw folder of its own in its section of luigi.cfg."
        )
    if full and since is not None:
        raise ConfigError("Both --full and --since say where to begin. Take one of the two out.")
    with locked(project, "etl fetch"):
        ledger = Ledger(project.ledger)
        catalog, _ = definitions(project, ledger)
        sources = {name: source for name, source in catalog.sources.items() if source.fetch is not None}
        check_fetched(catalog.sources, names)
        asked = {name: source for name, source in sources.items() if not names or name in names}
        if since is not None and (wrong := [n for n, s in asked.items() if s.fetch.mode != "cursor"]):
            raise ConfigError(
                f"{wrong[0]} is fetched without a cursor: --since means nothing for it. Name others."
            )
        _check_once(asked, full=full, since=since)
        found = []
        for group in groups(asked):
            with shared_by([asked[name] for name in group], project.settings.retries) as shared:
                for name in group:
                    today = day or project.today()
                    options = {"full": full, "since": since, "shared": shared}
                    found.append(fetch_one(project, ledger, asked[name], today, run_id="", **options))
        return found


def drop_slots(names: Sequence[str]) -> dict[str, list[str]]:
    """Drop the replication slots of sources that are fetched as changes; return the slots by source.

    Raises ConfigError unless sources are named, and each is fetched so.
    """
    project = load_project()
    use_environment(project.root)
    if not names:
        raise ConfigError("Say whose slot is to be dropped: etl fetch SOURCE --drop-slot")
    with locked(project, "etl fetch --drop-slot"):
        catalog, _ = definitions(project, Ledger(project.ledger))
        check_fetched(catalog.sources, names)
        for name in names:
            if not isinstance(catalog.sources[name].fetch, Changes):
                raise ConfigError(f"{name} has no slot: only a source with fetch=Changes has one. Name others.")
        return {name: drop_slot(project, catalog.sources[name]) for name in names}


def _check_once(sources: Mapping[str, Source], *, full: bool, since: str | None) -> None:
    """Raise ConfigError for a source whose rows are never to come twice, if they would."""
    for name, source in sources.items():
        is_once = source.fetch.mode == "cursor" and not source.fetch.repeats_rows
        if is_once and (full or since is not None):
            raise ConfigError(
                f"{name} brings each row once, and {'--full' if full else '--since'} would bring rows again, so "
                f"that models hold them twice. Move its files out of data/fetched/{name} before, or name others."
            )
