"""Purging: what was made from a source's deliveries is deleted everywhere; the next night rebuilds what raw/ says.

raw/ and data/corrections are never touched: what of the source remains there is listed for its owner to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from etl import engine
from etl.engine.quoting import literal, qualified
from etl.errors import ConfigError, few
from etl.ledger import Ledger
from etl.ledger.keys import AUDIT, PUBLISH, transform_key
from etl.ledger.lock import locked
from etl.ledger.profiles import Profiles
from etl.ledger.run_log import forget_quoted
from etl.models import Model, Models
from etl.models.trained.tables import CHAMPION, DECISIONS
from etl.plan.definitions import definitions
from etl.project import Project, environments, load_project
from etl.reports.page import remove_reports
from etl.run.failures.kept import forget_all_bundles
from etl.sources import Source
from etl.stages import lake, published, raw, warehouse

_WHO = "etl purge"


@dataclass(frozen=True, kw_only=True)
class Purged:
    """What was deleted, and what remains because etl never deletes it."""

    partitions: int
    #: Raw files of the source, and files of decisions about its records, relative to the project's root.
    remains: Sequence[str]
    #: Other environments, whose data is not touched.
    environments: Sequence[str]
    #: The models that learn from it, and had learned: by table, number and version, with a hash of each.
    models: Sequence[str] = ()
    learned: frozenset[tuple[str, int, str, str]] = frozenset()


def purge(project: Project, name: str, day: date | None = None) -> Purged:
    """Delete what the lake, quarantine, the candidate and the ledger hold of a source, or of one of its dates.

    What models have learned from it goes too, whichever of its dates they saw. The next night rewrites
    build.duckdb and publishes a new generation; then purge_generations() deletes the older ones. Raises
    ConfigError if nothing was ever taken of the source, AlreadyRunning if a run is under way.
    """
    with locked(project, _WHO):
        ledger = Ledger(project.ledger)
        catalog, models = definitions(project, ledger)
        source = catalog.sources.get(name)
        keys = [key for key in ledger.receipts() if key.step == "extract" and key.name == name]
        keys = [key for key in keys if day is None or key.partition == str(day)]
        folders = _folders(project, name, day)
        if not keys and not folders and source is None:
            raise ConfigError(f"{name} is not a source, and the lake holds nothing of it: see `etl status`.")
        learned = _learned_from(name if source else "", models)
        known = _published_models(project, learned)
        with warehouse.open_build(project, ledger, _WHO) as con:
            warehouse.note_removed(con, [name])
            if learned:
                from etl.stages.warehouse.unlearning import unlearn

                unlearn(con, project, learned)
        _delete(folders)
        published.remove_candidate(project)
        # they quote values and records; the next run writes the current one again
        remove_reports(project)
        # they hold rows of before
        forget_all_bundles(project)
        warehouse.forget_commands(project)
        for path in project.data.glob("ledger.sqlite.damaged*"):
            path.unlink()
        ledger.forget([*keys, *(transform_key(model.name) for model in learned), AUDIT, PUBLISH])
        # which tables were made of a source that is gone, nobody knows
        Profiles(ledger).forget(made_of(f"raw.{name}", models) if source else None)
        forget_quoted(project, ledger)
        others = [other for other in environments(project) if other != project.environment_name]
        others = [other for other in others if load_project(project.root, other, must_exist=False).data.is_dir()]
        return Purged(
            partitions=len({folder.name for folder in folders}),
            remains=list(_remains(project, name, source, day)),
            environments=others,
            models=_used(learned),
            learned=known,
        )


def purge_generations(project: Project, name: str, day: date | None = None) -> list[str]:
    """Delete every generation but the current one that holds data of a source, or of one of its dates."""
    deleted = []
    with locked(project, _WHO):
        ledger, now = Ledger(project.ledger), published.current(project)
        for generation in published.generations(project):
            if generation != now and _holds(published.read_record(project.generations / generation), name, day):
                published.delete_generation(project, ledger, generation)
                deleted.append(generation)
    return deleted


def still_learned(project: Project, purged: Purged) -> list[str]:
    """Return the tables of models that learn which are published, and hold what was learned before a purge."""
    models = definitions(project, Ledger(project.ledger))[1]
    return sorted({table for table, *_ in _published_models(project, models.models.values()) & purged.learned})


def learned_from(project: Project, name: str) -> list[str]:
    """Return the models that learn from a source, as their tables are called."""
    catalog, models = definitions(project, Ledger(project.ledger))
    return _used(_learned_from(name if name in catalog.sources else "", models))


def _used(models: Iterable[Model]) -> list[str]:
    return [model.name for model in models if model.role == CHAMPION]


def _published_models(project: Project, models: Iterable[Model]) -> frozenset[tuple[str, int, str, str]]:
    """Return what was learned that is published, of any time, by table, number and version, with its hash."""
    tables = [model.name for model in models if model.role == DECISIONS]
    if not tables or published.current(project) is None:
        return frozenset()
    with engine.reading(project, project.warehouse) as con:
        there = warehouse.columns_of(con)
        queries = [
            f"select {literal(table)}, number, challenger, md5(artefact) from {qualified(table)} "
            "where artefact is not null"
            for table in tables
            if table in there
        ]
        return frozenset(row for query in queries for row in con.execute(query).fetchall())


def _learned_from(name: str, models: Models) -> list[Model]:
    """Return the tables of models that learn from a source; of one that is gone, of all: nobody knows."""
    found = made_of(f"raw.{name}", models) if name else models.models
    return [model for model in models.models.values() if model.role and model.name in found]


def made_of(table: str, models: Models) -> list[str]:
    """Return a table and those that are built from it, through any number of models."""
    found = [table]
    for model in models.models.values():
        if not set(found).isdisjoint((*model.reads, *model.by_date, *model.whole)):
            found.append(model.name)
    return found


def _holds(record: published.Generation | None, name: str, day: date | None) -> bool:
    # one without a record may hold anything
    return record is None or (str(day) in record.inputs.get(name, {}) if day else name in record.inputs)


def drop(project: Project, name: str) -> int:
    """Delete the lake and quarantine of what was a source once; return how many partitions that were.

    Raises ConfigError for a source that there is still, or if nothing is left of it; AlreadyRunning if a run is
    under way. Its decisions stay.
    """
    with locked(project, "etl drop"):
        ledger = Ledger(project.ledger)
        if name in definitions(project, ledger)[0].sources:
            raise ConfigError(
                f"{name} is a source, so its lake and quarantine are in use. Nothing was deleted. To delete what "
                f"was made from it: etl purge {name}"
            )
        folders = _folders(project, name)
        if not folders:
            raise ConfigError(f"The lake and quarantine hold nothing of {name}. See `etl status`.")
        _delete(folders)
        ledger.forget(key for key in ledger.receipts() if key.step == "extract" and key.name == name)
        return len({folder.name for folder in folders})


def _folders(project: Project, name: str, day: date | None = None) -> list[Path]:
    """Return the folders of partitions; ConfigError if any is not etl's own, but a link, or elsewhere."""
    if Path(name).name != name or name == "..":
        raise ConfigError(f"{name} is not the name of a source: see `etl status`.")
    found = lake.partition_folders(project, name)
    found = [folder for folder in found if day is None or folder.name.endswith(f"={day}")]
    if links := [path for path in {*found, *(folder.parent for folder in found)} if path.is_symlink()]:
        raise ConfigError(
            f"{few(sorted(links))} is a link, and etl deletes nothing through links. Nothing was deleted. Delete "
            "the link, or what it leads to, and repeat."
        )
    return found


def _delete(folders: Iterable[Path]) -> None:
    """Delete partitions. Raises ConfigError if something cannot be deleted, or others' files are among it."""
    for folder in folders:
        try:
            lake.delete_partition(folder)
        except OSError as error:
            raise ConfigError(f"{folder} cannot be deleted: {error}. Fix the cause, and repeat.") from None


def _remains(project: Project, name: str, source: Source | None, day: date | None) -> Iterator[str]:
    decided = sorted((project.corrections / name).glob("*.jsonl"))
    yield from (_place(project, path) for path in decided if day is None or path.stem == str(day))
    found = raw.find(source, source.root(project), project.today()) if source else {}
    for delivered, delivery in found.items():
        if day is None or source is None or not source.is_dated or delivered == day:
            yield from (_place(project, file.path) for file in delivery.files)


def _place(project: Project, path: Path) -> str:
    return str(path.relative_to(project.root)) if path.is_relative_to(project.root) else str(path)
