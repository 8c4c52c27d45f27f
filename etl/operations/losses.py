"""What an environment would lose by a promotion: inputs and decisions that the generation was made without."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from etl.errors import few
from etl.project import Project
from etl.stages import published
from etl.stages.published import Generation, Input

#: What messages call a delivery of several files by.
_SEVERAL = re.compile(r"(.*)\*(.*) \([\d,]+ files\)", re.DOTALL)


def losses(source: Project, target: Project, record: Generation) -> Iterator[str]:
    """Yield what `target` has published and a generation of `source` has not, and what to do about it.

    A partition that was withdrawn since, or replaced by what the generation has, is no loss.
    """
    there = published.read_record(target.current)
    if there is None and published.current(target):
        name = published.current(target)
        yield (
            f"the record of {name}, which {target.environment_name} has published, cannot be read, so it is not "
            "known what would be lost. Publish a new generation there first: "
            f"ETL_ENV={target.environment_name} luigi --module etl Nightly"
        )
    newer: list[str] = []
    earlier: list[str] = []
    for name, days in (there.inputs if there else {}).items():
        mine = record.inputs.get(name, {})
        for day, item in days.items():
            if _is_earlier_snapshot(day, days, mine):
                earlier.append(f"{name} {day} ({item.file})")
            elif _is_newer(target, record, day, item, mine):
                newer.append(f"{name} {day} ({item.file})")
    here, other = source.environment_name, target.environment_name
    night = f"ETL_ENV={here} luigi --module etl Nightly"
    if newer:
        yield f"{other} has newer inputs: {few(newer)}. First run the night: {night}"
    if earlier:
        commands = f"etl env drop {here} && etl env create {here} --from {other}"
        yield f"{other} has snapshots that {here} never took: {few(earlier)}. Recreate {here}: {commands}"
    if files := _decided(source, target):
        where = f"Copy the missing lines to {source.corrections}, and run the night: {night}"
        yield f"{other} has decisions about rejected records that {here} lacks: {few(files)}. {where}"


def _same_input(day: str, item: Input, mine: Mapping[str, Input]) -> list[Input]:
    # a snapshot has the date of the night that took it, and another one in each environment
    return [other for other_day, other in mine.items() if other_day == day or other.file == item.file]


def _is_earlier_snapshot(day: str, days: Mapping[str, Input], mine: Mapping[str, Input]) -> bool:
    """Return whether it is one of a history, not the newest, and the generation does not have it."""
    item = days[day]
    is_earlier = any(other.file == item.file and other_day > day for other_day, other in days.items())
    return is_earlier and all(other.content != item.content for other in mine.values())


def _is_newer(target: Project, record: Generation, day: str, item: Input, mine: Mapping[str, Input]) -> bool:
    same = _same_input(day, item, mine)
    if any(other.content == item.content for other in same):
        return False
    if not same:
        is_there = any(_is_in_raw(root, item.file) for root in (target.raw, target.fetched))
        return is_there or item.taken_at > record.published_at
    return item.taken_at > max(other.taken_at for other in same)


def _is_in_raw(raw: Path, file: str) -> bool:
    """Return whether a delivery, as a record calls it, is in raw/ still, or a part of it."""
    several = _SEVERAL.fullmatch(file)
    if not several:
        return (raw / file).exists()
    start, end = several.groups()
    folder = raw / start.rpartition("/")[0]
    names = (f"{here}/{name}" for here, _, names in os.walk(folder) for name in names)
    return any(name.startswith(f"{raw}/{start}") and name.endswith(end) for name in names)


def _decided(source: Project, target: Project) -> list[str]:
    """Return the files of decisions in the target with lines that the source has not."""
    paths = (path.relative_to(target.corrections) for path in sorted(target.corrections.glob("*/*.jsonl")))
    return [
        str(path) for path in paths if not _lines(target.corrections / path) <= _lines(source.corrections / path)
    ]


def _lines(path: Path) -> set[bytes]:
    return set(path.read_bytes().splitlines()) if path.exists() else set()
