"""Which generations stay on disk: the last ones, the young ones, the current one, and those a rollback names."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etl.ledger import Ledger
from etl.project import Project
from etl.stages.published.hold import read_hold
from etl.stages.published.record import published_at
from etl.stages.published.switching import FILE, current

NEW = ".new"
OLD = ".old-"


def generations(project: Project) -> list[str]:
    """Return the generations on disk, in the order in which they were published here."""
    folders = [
        path.parent for path in project.generations.glob(f"*/{FILE}") if not path.parent.name.startswith(".")
    ]
    return [folder.name for folder in sorted(folders, key=_published)]


def time_of_publishing(project: Project) -> str:
    """Return the time, but one after that of every generation there is: a clock may have been set back."""
    moment = datetime.now(UTC)
    there = generations(project)
    newest = published_at(project.generations / there[-1]) if there else ""
    if newest:
        moment = max(moment, datetime.fromisoformat(newest) + timedelta(microseconds=1))
    return moment.isoformat(timespec="microseconds")


def prune(project: Project, ledger: Ledger, names: Sequence[str] | None = None) -> None:
    """Delete generations, by default those that are beyond() what is kept. A reader keeps what it has open."""
    for name in beyond(project) if names is None else names:
        delete_generation(project, ledger, name)


def beyond(project: Project) -> list[str]:
    """Return the generations that are beyond `keep_generations` and older than `keep_days`.

    Never the current generation, nor one that a rollback came from or went to.
    """
    settings, there, hold = project.settings, generations(project), read_hold(project)
    if hold and hold.damage:
        # which generations it names, nobody can tell
        return []
    since = (datetime.now(UTC) - timedelta(settings.keep_days)).isoformat()
    named = {current(project), *((hold.current, hold.held) if hold else ())}
    old = (name for name in there[: -settings.keep_generations] if name not in named)
    return [n for n in old if settings.keep_days <= 0 or _time_of(project.generations / n) <= since]


def delete_generation(project: Project, ledger: Ledger, name: str) -> None:
    """Delete a generation and its record in the ledger."""
    _delete(project, name)
    ledger.forget_generation(name)


def sweep(project: Project) -> None:
    """Delete what a publish, or a deletion, that was killed has left half done."""
    with suppress(FileNotFoundError):
        for path in list(project.generations.iterdir()):
            if path.name.startswith((NEW, OLD)):
                _remove(path)


def _time_of(folder: Path) -> str:
    """Return when a generation was published; if its record cannot be read, when its file was written."""
    if at := published_at(folder):
        return at
    return datetime.fromtimestamp((folder / FILE).stat().st_mtime, UTC).isoformat()


def _published(folder: Path) -> tuple[str, str]:
    # those from before there were records have the time in their names
    return (published_at(folder), folder.name)


def _delete(project: Project, name: str) -> None:
    """Delete a generation; under another name first, so that half of one is none."""
    aside = project.generations / f"{OLD}{name}"
    with suppress(FileNotFoundError):
        (project.generations / name).rename(aside)
    _remove(aside)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
