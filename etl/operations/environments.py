"""Environments: the data of another place to work in, made of an existing one at next to no cost, and removed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from etl.errors import ConfigError, StepError, few, sentence
from etl.ledger import stamp
from etl.ledger.lock import locked
from etl.project import Project, environments, load_project
from etl.project.files import copy_file, flush, link_file
from etl.project.own import MARKER, check_owner, foreign, is_marked, kept_in, mark, unmark
from etl.project.project import ARTEFACTS, PARTS
from etl.stages import published

#: Folders of which no file is ever written to: they can have their files in common.
_IMMUTABLE = ("lake", "quarantine", "warehouse/generations", f"warehouse/{ARTEFACTS}", f"warehouse/{PARTS}")
_LINKS = ("warehouse/current", "warehouse.duckdb")
_WRITTEN = ("warehouse/hold.json", "warehouse/build.duckdb.wal", "warehouse/build.duckdb")
#: What receipts keep stamps of files as.
_STAMPS = ("stamp", "lake", "quarantine")


@dataclass
class Created:
    """An environment that was made, and how many of the files that are never written to are linked, or copied."""

    project: Project
    counts: dict[str, int] = field(default_factory=dict)
    #: How build.duckdb was copied; empty if there is none.
    build: str = ""


def create(name: str, source: str = "") -> Created:
    """Make the data of an environment that has none, as that of `source` is now, by default of the usual one.

    Files that are never written to are the same files (hard links), if both are on one file system; build.duckdb
    is cloned or copied. All of it is made aside, and renamed at the end. Raises ConfigError if there is data
    already, AlreadyRunning if a run of the source is under way.
    """
    usual = load_project(must_exist=False).settings.environment
    original = load_project(environment=source or usual)
    target = load_project(original.root, name, must_exist=False)
    _check_empty(target, original)
    path = target.data.with_name(f".{target.data.name}.new")
    # its lock comes along with the rename, so that nothing begins there before this ends
    aside = replace(target, settings=replace(target.settings, data=str(path)))
    with (
        _explained(f"{name} was not made"),
        locked(original, f"etl env, {name}"),
        locked(aside, f"etl env, {name}"),
    ):
        try:
            _clear(aside)
            made = _make(original, aside)
            _check_empty(target, original)
            path.rename(target.data)
            mark(target)
            flush(target.data.parent)
        except ConfigError:
            raise
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
    return replace(made, project=target)


def drop(name: str) -> Path:
    """Delete the data of an environment, but for raw and fetched files in it; return where it was.

    Only what etl made there is deleted, and nothing through a link. Raises ConfigError for the usual environment,
    and for a folder that is not this environment's or holds anything else; AlreadyRunning if a run is under way.
    """
    project = load_project(environment=name)
    if not project.environment:
        raise ConfigError(f"{name} is what [etl] itself describes; etl does not delete its data.")
    _check_droppable(project)
    with _explained(f"{name} was not deleted, or not all of it"), locked(project, f"etl env, {name}"):
        if strange := foreign(project):
            raise ConfigError(
                f"{project.data} holds what etl did not make: {few(strange)}. Nothing was deleted. Move it "
                f"elsewhere, and repeat: etl env drop {name}"
            )
        kept = kept_in(project)
        for path in project.data.iterdir():
            if path.name not in kept:
                _delete(path)
        if not kept:
            project.data.rmdir()
        unmark(project)
    return project.data


def decisions_of(name: str) -> int:
    """Return how many decisions about rejected records an environment has, which nothing can bring back."""
    files = load_project(environment=name).corrections.glob("*/*.jsonl")
    return sum(len(file.read_bytes().splitlines()) for file in files)


def described() -> list[dict[str, Any]]:
    """Return, of every environment, where its data is, what is current there, and its bytes without raw files."""
    base = load_project(must_exist=False)
    projects = [load_project(base.root, name) for name in environments(base)]
    return [
        {
            "environment": project.environment_name,
            "data": str(project.data),
            "generation": published.current(project) or "",
            "bytes": _size(project),
        }
        for project in projects
    ]


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise StepError(f"{what}: {sentence(str(error))} Fix the cause, and repeat.") from error


def _check_empty(target: Project, original: Project) -> None:
    name, data = target.environment_name, target.data
    if data == original.data:
        raise ConfigError(f"{name} cannot be made of itself.")
    if data.is_symlink():
        raise ConfigError(f"{data} is a link: let the data of {name} be a folder.")
    if not data.exists():
        return
    if os.path.ismount(data):
        raise ConfigError(f"{data} is where a disk is mounted: let the data of {name} be a folder in there.")
    if not any(data.iterdir()):
        return
    if is_marked(target):
        check_owner(target)
        raise ConfigError(f"{name} has data already, in {data}; to start over: etl env drop {name}")
    raise ConfigError(
        f"{data} is not empty, and `etl env create` did not make it: {few(sorted(os.listdir(data)))}. "
        f"Set [etl.env.{name}] data to an empty or a new folder."
    )


def _check_droppable(project: Project) -> None:
    name, data = project.environment, project.data
    if data.is_symlink():
        raise ConfigError(f"{data} is a link, and etl deletes nothing through a link. Nothing was deleted.")
    if not data.exists():
        raise ConfigError(f"{name} has no data: there is no {data}. Nothing was deleted.")
    if not is_marked(project):
        raise ConfigError(
            f"{data} has no {MARKER}: neither `etl env create` nor a night in {name} made it. Nothing was deleted."
        )
    check_owner(project)


def _clear(aside: Project) -> None:
    """Delete what a creation that was killed has left."""
    if strange := foreign(aside):
        raise ConfigError(f"{aside.data} holds what etl did not make: {few(strange)}. Move it elsewhere.")
    for path in aside.data.iterdir():
        if path not in (aside.lock, aside.data / MARKER):
            _delete(path)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _make(original: Project, aside: Project) -> Created:
    made, stamps = Created(aside), dict[tuple[int, ...], list[int]]()

    def bring(path: Path, copy: Callable[[Path, Path], str]) -> str:
        place = aside.data / path.relative_to(original.data)
        before, how = stamp(path), copy(path, place)
        if how != "linked":
            stamps[tuple(before)] = stamp(place)
        return how

    for path in _files(original):
        how = bring(path, link_file)
        made.counts[how] = made.counts.get(how, 0) + 1
    for link in (path for folder in _IMMUTABLE for path in _walk(original.data / folder) if path.is_symlink()):
        _link_alike(link, aside.data / link.relative_to(original.data))
    for name in _LINKS:
        if (original.data / name).is_symlink():
            _link_alike(original.data / name, aside.data / name)
    if original.corrections.is_dir():
        shutil.copytree(original.corrections, aside.corrections)
    aside.build.parent.mkdir(parents=True, exist_ok=True)
    for name in _WRITTEN:
        if (original.data / name).exists():
            how = bring(original.data / name, copy_file)
            made.build = how if aside.data / name == aside.build else ""
            flush(aside.data / name)
    _copy_ledger(original, aside, stamps)
    flush(aside.data)
    return made


def _files(project: Project) -> Iterator[Path]:
    for folder in _IMMUTABLE:
        yield from (path for path in _walk(project.data / folder) if not path.is_symlink())


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files and the links of a folder, but for what is half made, whose names begin with a dot."""

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for here, folders, names in os.walk(folder, onerror=fail):
        links = [name for name in folders if os.path.islink(f"{here}/{name}")]
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(here) / name for name in (*links, *names))


def _link_alike(link: Path, place: Path) -> None:
    """Have the same link in a second place: it is relative, and leads through warehouse/current there too."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(os.readlink(link))


def _copy_ledger(original: Project, aside: Project, stamps: dict[tuple[int, ...], list[int]]) -> None:
    """Copy the ledger; what it says of files that are others in the new place, it says of those there."""
    if not original.ledger.exists():
        return
    with (
        closing(sqlite3.connect(original.ledger)) as read,
        closing(sqlite3.connect(aside.ledger)) as copy,
        copy,
    ):
        read.backup(copy)
        for row, text in copy.execute("select rowid, details from receipts").fetchall():
            details = json.loads(text)
            known = {name: stamps.get(tuple(details.get(name) or ())) for name in _STAMPS}
            if changed := {name: value for name, value in known.items() if value}:
                values = (json.dumps({**details, **changed}), row)
                copy.execute("update receipts set details = ? where rowid = ?", values)
    flush(aside.ledger)


def _size(project: Project) -> int:
    places = [*(path for folder in _IMMUTABLE for path in _walk(project.data / folder)), project.ledger]
    places += [project.data / name for name in _WRITTEN]
    return sum(path.lstat().st_size for path in places if path.is_file() and not path.is_symlink())
