"""Environments: the data of another place to work in, made of an existing one at next to no cost, and removed."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from etl.errors import ConfigError
from etl.files import copy_file, link_file
from etl.keys import BUILD
from etl.ledger import Ledger, Receipt, stamp
from etl.project import Project, load_project
from etl.run import take_lock
from etl.stages import published

#: Folders of which no file is ever written to: they can have their files in common.
_IMMUTABLE = ("lake", "quarantine", "warehouse/generations")


@dataclass(frozen=True)
class Created:
    """What an environment was made of: files that both have in common, and how the build was copied."""

    project: Project
    linked: int
    copied: str


def create(name: str, source: str = "") -> Created:
    """Make the data of an environment that has none, as that of `source` is now, by default of the usual one.

    Files that are never written to are the same files (hard links); build.duckdb is cloned or copied. It is made
    aside, and renamed at the end. Raises ConfigError if there is data already, AlreadyRunning if a run of the
    source is under way.
    """
    original = load_project(environment=source or load_project(must_exist=False).settings.environment)
    target = load_project(original.root, name, must_exist=False)
    if target.data == original.data:
        raise ConfigError(f"{name} and {original.environment_name} have the same folder of data: {target.data}.")
    if target.data.exists() and any(target.data.iterdir()):
        raise ConfigError(f"{name} has data already, in {target.data}; to begin anew: etl env drop {name} --yes")
    aside = target.data.with_name(f".{target.data.name}.new")
    lock = take_lock(original, f"env create {name}")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        linked = sum(_link_tree(original.data / folder, aside / folder) for folder in _IMMUTABLE)
        copied = _copy_others(original.data, aside)
        _copy_ledger(original, aside)
        if target.data.exists():
            target.data.rmdir()
        aside.rename(target.data)
    finally:
        os.close(lock)
        shutil.rmtree(aside, ignore_errors=True)
    return Created(target, linked, copied)


def drop(name: str) -> Path:
    """Delete the data of an environment; return where it was. Raises ConfigError for the usual one."""
    project = load_project(environment=name)
    if not project.environment:
        raise ConfigError(f"{name} is what [etl] itself describes; etl does not delete its data.")
    lock = take_lock(project, "env drop")
    try:
        shutil.rmtree(project.data)
    finally:
        os.close(lock)
    return project.data


def _link_tree(source: Path, target: Path) -> int:
    """Have the files of a folder in a second one, and its links as they are; return how many files."""
    count = 0
    for folder, folders, names in os.walk(source):
        here = target / Path(folder).relative_to(source)
        here.mkdir(parents=True, exist_ok=True)
        for name in (*folders, *names):
            path = Path(folder) / name
            if path.is_symlink():
                # those of exports lead through warehouse/current, in either place
                (here / name).symlink_to(os.readlink(path))
            elif name in names:
                link_file(path, here / name)
                count += 1
    return count


def _copy_others(source: Path, target: Path) -> str:
    """Copy what is written to, and the links to what is current; return how build.duckdb was copied."""
    if (source / "corrections").is_dir():
        shutil.copytree(source / "corrections", target / "corrections")
    (target / "warehouse").mkdir(exist_ok=True)
    for name in ("warehouse.duckdb", "warehouse/current"):
        if (source / name).is_symlink():
            (target / name).symlink_to(os.readlink(source / name))
    how = "copied"
    for name in ("warehouse/build.duckdb", "warehouse/build.duckdb.wal", "warehouse/hold.json"):
        if (source / name).exists():
            how = copy_file(source / name, target / name)
    return how


def _copy_ledger(original: Project, target: Path) -> None:
    """Copy the ledger, with the stamps of the files as they are in the new place."""
    copy = target / original.ledger.name
    with closing(sqlite3.connect(original.ledger)) as read, closing(sqlite3.connect(copy)) as written:
        read.backup(written)
    ledger = Ledger(copy)
    changed = [_restamped(receipt, original, target) for receipt in ledger.receipts().values()]
    ledger.write(*(receipt for receipt in changed if receipt))


def _restamped(receipt: Receipt, original: Project, target: Path) -> Receipt | None:
    """Return a receipt about a file that is another one in the new place; only if it was true in the old one."""
    if receipt.key == BUILD:
        build = target / original.build.relative_to(original.data)
        is_true = receipt.details["stamp"] == stamp(original.build)
        return replace(receipt, details={**receipt.details, "stamp": stamp(build)}) if is_true else None
    return None


def described(project: Project) -> dict[str, object]:
    """Return where an environment's data is, and what is current there."""
    return {
        "environment": project.environment_name,
        "data": str(project.data),
        "generation": published.current(project) or "",
    }
