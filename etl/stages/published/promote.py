"""Promoting: a generation of one environment in the place of another, byte by byte the same."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from etl.errors import PublishError
from etl.ledger import Ledger
from etl.project import Project
from etl.project.files import flush, link_file, make_read_only, sha256
from etl.stages.published.hold import remove_hold
from etl.stages.published.manifest import read_manifest
from etl.stages.published.record import Generation, record_file, write_record
from etl.stages.published.retention import NEW, OLD, prune, sweep, time_of_publishing
from etl.stages.published.set_aside import remove_candidate
from etl.stages.published.switches import switch_to
from etl.stages.published.switching import check_free


def promote(source: Project, target: Project, ledger: Ledger, record: Generation) -> str:
    """Make a generation of `source`, with the record that it is to have, the current one of `target`; return how.

    `ledger` is that of the target, which is locked. Files are linked, or copied and compared by their SHA-256;
    all of them are durable before the generation has its name. Raises PublishError if a copy came out otherwise.
    """
    name, folder = record.generation, target.generations / NEW
    original = source.generations / name
    check_free(target, read_manifest(original))
    sweep(target)
    hows = set()
    for path in sorted(original.rglob("*")):
        place = folder / path.relative_to(original)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        elif path != record_file(original):
            hows.add(_bring(path, place))
    make_read_only(write_record(folder, replace(record, published_at=time_of_publishing(target))))
    for path in (*(path for path in folder.rglob("*")), folder):
        flush(path)
    _take_place(target, name, folder)
    origin = record.origin
    switch_to(target, ledger, name, "promote", origin.get("by", ""), origin.get("reason", ""))
    ledger.write_generation(name, record.run_id, record.fingerprint)
    remove_hold(target)
    remove_candidate(target)
    prune(target, ledger)
    return " and ".join(sorted(hows))


def _take_place(target: Project, name: str, folder: Path) -> None:
    """Give a finished generation its name; one that was there, but not the current one, goes."""
    place = target.generations / name
    if place.exists():
        # nobody has compared it, and its record is of another time
        os.rename(place, target.generations / f"{OLD}{name}")
    os.rename(folder, place)
    flush(target.generations)
    sweep(target)


def _bring(path: Path, place: Path) -> str:
    """Have a file in a second place: the same file, or a copy that was compared with it."""
    how = link_file(path, place)
    if how != "linked" and sha256(path) != sha256(place):
        raise PublishError(f"{place} is not what {path} is, though it was copied from there. Is the disk failing?")
    return how
