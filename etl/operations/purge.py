"""Purging: what was made from a source's deliveries is deleted everywhere; the next night rebuilds what raw/ says.

raw/ and data/corrections are never touched: what of the source remains there is listed for its owner to decide.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from etl.errors import ConfigError
from etl.ledger import Ledger
from etl.ledger.keys import AUDIT, PUBLISH
from etl.ledger.lock import locked
from etl.plan.definitions import definitions
from etl.project import Project, environments, load_project
from etl.sources import Source
from etl.stages import published, raw, warehouse

_WHO = "etl purge"


@dataclass(frozen=True)
class Purged:
    """What was deleted, and what remains because etl never deletes it."""

    partitions: int
    #: Raw files of the source, and files of decisions about its records, relative to the project's root.
    remains: Sequence[str]
    #: Other environments, whose data is not touched.
    environments: Sequence[str]


def purge(project: Project, name: str, day: date | None = None) -> Purged:
    """Delete what the lake, quarantine, the candidate and the ledger hold of a source, or of one of its dates.

    The next night rewrites build.duckdb and publishes a new generation; then purge_generations() deletes the older
    ones. Raises ConfigError if nothing was ever taken of the source, AlreadyRunning if a run is under way.
    """
    with locked(project, _WHO):
        ledger = Ledger(project.ledger)
        source = definitions(project, ledger)[0].sources.get(name)
        keys = [key for key in ledger.receipts() if key.step == "extract" and key.name == name]
        keys = [key for key in keys if day is None or key.partition == str(day)]
        folders = list(_folders(project, name, day))
        if not keys and not folders and source is None:
            raise ConfigError(f"{name} is not a source, and the lake holds nothing of it: see `etl status`.")
        with warehouse.open_build(project, ledger, _WHO) as con:
            warehouse.note_removed(con, [name])
        for folder in folders:
            shutil.rmtree(folder)
        published.remove_candidate(project)
        for path in project.data.glob("ledger.sqlite.damaged*"):
            path.unlink()
        ledger.forget([*keys, AUDIT, PUBLISH])
        ledger.forget_quoted()
        others = [other for other in environments(project) if other != project.environment_name]
        others = [other for other in others if load_project(project.root, other, must_exist=False).data.is_dir()]
        return Purged(len({folder.name for folder in folders}), list(_remains(project, name, source, day)), others)


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


def _holds(record: published.Generation | None, name: str, day: date | None) -> bool:
    # one without a record may hold anything
    return record is None or (str(day) in record.inputs.get(name, {}) if day else name in record.inputs)


def _folders(project: Project, name: str, day: date | None) -> Iterator[Path]:
    for base in (project.lake, project.quarantine):
        for folder in sorted((base / name).glob("*=*")):
            if day is None or folder.name.endswith(f"={day}"):
                yield folder


def _remains(project: Project, name: str, source: Source | None, day: date | None) -> Iterator[str]:
    decided = sorted((project.corrections / name).glob("*.jsonl"))
    yield from (_place(project, path) for path in decided if day is None or path.stem == str(day))
    found = raw.find(source, project.raw, project.today()) if source else {}
    for delivered, delivery in found.items():
        if day is None or source is None or not source.is_dated or delivered == day:
            yield from (_place(project, file.path) for file in delivery.files)


def _place(project: Project, path: Path) -> str:
    return str(path.relative_to(project.root)) if path.is_relative_to(project.root) else str(path)
