"""A proposal for many files of one kind: the union of what they have, and what differs by date."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from glob import glob
from pathlib import Path

from etl.errors import ConfigError, counted, few
from etl.operations.sniffing.settled import Settled, likeliest, settled
from etl.sources.sniff import Draft
from etl.sources.sniff.columns import ANNOTATIONS, Column
from etl.sources.sniff.names import date_in, dated_below

#: So many files are looked into one by one; all are tried.
_MOST_DRAFTS = 24
_MOST_VARIANTS = 6
_DAY = date(2000, 1, 1)


def files_of(path: Path) -> list[Path]:
    """Return the files of a folder, at any depth, or those that a path with wildcards matches; no hidden ones."""
    found = path.rglob("*") if path.is_dir() else map(Path, glob(str(path), recursive=True))
    return sorted(file for file in found if file.is_file() and not any(p.startswith(".") for p in file.parts[-2:]))


def settled_draft(files: Sequence[Path], delimiter: str) -> Settled:
    """Return the draft for files of one kind, tried on all of them. Raises ConfigError if there is none."""
    kept, others = _alike(files)
    days = {file.resolve(): date_in(file) or _DAY for file in kept}
    ordered = sorted(kept, key=lambda file: (days[file.resolve()], file.name))
    step = max(1, len(ordered) // _MOST_DRAFTS)
    chosen = list(dict.fromkeys([*ordered[::step], ordered[-1]]))
    alone = {file: likeliest(file, delimiter).draft for file in chosen}
    columns, notes = _union(alone)
    if others:
        notes.append(
            f"{counted(len(others), 'file')} of other names are left out: {few([o.name for o in others], 3)}."
        )
    base = replace(
        alone[chosen[-1]],
        columns=tuple(columns),
        files=_pattern(kept),
        records=sum(draft.records for draft in alone.values()),
        is_whole=len(chosen) == len(ordered) and all(draft.is_whole for draft in alone.values()),
        notes=tuple(notes),
        subject=f"{counted(len(kept), 'file')} such as {chosen[-1].name!r}",
    )
    return min(_tried(base, alone, days), key=lambda found: found.loss)


def _tried(base: Draft, alone: Mapping[Path, Draft], days: Mapping[Path, date]) -> Iterator[Settled]:
    """Yield the draft with the way of writing of each file, and then with each of them on its days."""
    ways: list[tuple[str, Mapping[str, object]]] = []
    for draft in alone.values():
        if (draft.format, draft.options) not in ways:
            ways.append((draft.format, draft.options))
    for format, options in ways[:_MOST_VARIANTS]:
        found = settled(replace(base, format=format, options=options), days)
        yield found
        if found.trial.is_perfect:
            return
    changes: list[tuple[date, Draft]] = []
    for file, draft in sorted(alone.items(), key=lambda item: days[item[0].resolve()]):
        if not changes or (changes[-1][1].format, changes[-1][1].options) != (draft.format, draft.options):
            changes.append((days[file.resolve()], draft))
    if 1 < len(changes) <= _MOST_VARIANTS and len({day for day, _ in changes}) == len(changes):
        by_day = tuple(("" if not n else str(day), draft.call) for n, (day, draft) in enumerate(changes))
        said = "; ".join(f"since {day} {draft.call}" for day, draft in changes[1:])
        yield settled(replace(base, by_day=by_day, notes=(*base.notes, f"The format changes: {said}.")), days)


def _alike(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files with the most frequent ending, and the others."""
    kinds = [
        tuple(suffix.lower() for suffix in file.suffixes[-2:] if not re.search(r"\d", suffix)) for file in files
    ]
    most = max(dict.fromkeys(kinds), key=kinds.count)
    pairs = list(zip(files, kinds, strict=True))
    return [file for file, kind in pairs if kind == most], [file for file, kind in pairs if kind != most]


def _pattern(files: Sequence[Path]) -> str:
    """Return Source's `files` for several: what differs beyond the date is `*`."""
    patterns = list(dict.fromkeys(dated_below(file)[0] for file in files))
    parts = [pattern.split("/") for pattern in patterns]
    if len({len(part) for part in parts}) > 1:
        raise ConfigError(
            "The files lie at different depths. Name those of one kind, such as 'data/raw/sales/*.csv'."
        )
    return "/".join(_common(list(dict.fromkeys(names))) for names in zip(*parts, strict=True))


def _common(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    start = _begin(names)
    end = _begin([name[len(start) :][::-1] for name in names])[::-1]
    # a date that is cut is none
    start = start[: start.rfind("{")] if start.rfind("{") > start.rfind("}") else start
    end = end[end.find("}") + 1 :] if -1 < end.find("}") < (end.find("{") if "{" in end else len(end)) else end
    return f"{start}*{end}"


def _begin(names: Sequence[str]) -> str:
    """Return what all names begin with."""
    pairs = enumerate(zip(*names, strict=False))
    return names[0][: next((at for at, chars in pairs if len(set(chars)) > 1), min(map(len, names)))]


def _union(alone: Mapping[Path, Draft]) -> tuple[list[Column], list[str]]:
    """Return the columns of all files, and what differs between them."""
    found: dict[str, list[tuple[Path, Column]]] = {}
    for file, draft in alone.items():
        for column in draft.columns:
            found.setdefault(column.name, []).append((file, column))
    columns, notes = [], []
    for name, seen in found.items():
        column = _merged([column for _, column in seen])
        if len(seen) < len(alone):
            column = replace(column, is_optional=True)
            first, last = _told(seen[0][0]), _told(seen[-1][0])
            notes.append(
                f"{name!r} is in {len(seen):,} of {len(alone):,} files: first in {first}, last in {last}."
            )
        types = list(dict.fromkeys(column.annotations[0] for _, column in seen))
        if len(types) > 1:
            notes.append(f"{name!r} is {' and '.join(types)}, by file: it is proposed as {column.annotations[0]}.")
        columns.append(column)
    return columns, notes


def _merged(columns: Sequence[Column]) -> Column:
    kinds = {column.annotations for column in columns}
    numbers = {ANNOTATIONS["int"], ANNOTATIONS["float"]}
    last = columns[-1]
    if len(kinds) > 1:
        # a column without any value has no type of its own
        filled = {column.annotations for column in columns if "no value was seen" not in column.comments}
        kind = filled.pop() if len(filled) == 1 else ANNOTATIONS["float" if kinds == numbers else "str"]
        last = replace(next((c for c in columns if c.annotations == kind), last), annotations=kind)
    return replace(
        last,
        is_nullable=any(column.is_nullable for column in columns),
        is_unique=all(column.is_unique for column in columns),
    )


def _told(file: Path) -> str:
    day = date_in(file)
    return str(day) if day else file.name
