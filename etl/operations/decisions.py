"""Decisions about quarantined records: written down as corrections while no run is under way, then applied."""

from __future__ import annotations

import csv
import getpass
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

from etl.errors import ConfigError, counted, few
from etl.ledger import Ledger, now
from etl.ledger.lock import locked
from etl.operations import quarantine
from etl.operations.quarantine import COLUMNS, Selection, is_edited
from etl.operations.spreadsheet import unguarded, with_line_ends
from etl.plan import Plan, Scope, make_plan
from etl.project import Project
from etl.sources import Source
from etl.stages.lake import partition_file
from etl.stages.lake.corrections import (
    DISCARD,
    REPLACE,
    WHOLE_FILE,
    Correction,
    add_corrections,
    corrections_file,
    record_hash,
)
from etl.stages.lake.inputs import open_file
from etl.stages.lake.layout import refused_base
from etl.stages.lake.rejects import REFUSED_RULE
from etl.stages.raw import Delivery

#: What is said to have the lock meanwhile: a run that is under way was planned with what was decided before.
_LOCKED_FOR = "etl quarantine"


@dataclass(frozen=True)
class Decision:
    """Records of a source whose partitions are to be run again, those of `days`."""

    source: str
    records: Sequence[Mapping[str, Any]]

    @property
    def days(self) -> list[date]:
        return sorted({record["date"] for record in self.records})

    def still_there(self, project: Project) -> tuple[int, int]:
        """Return how many of the records are rejected now, and how many of the source are, these and others."""
        there = {_key(row) for row in quarantine.records(project, self.source, Selection(), discarded=False)}
        return sum(_key(record) in there for record in self.records), len(there)


def replay(project: Project, name: str, selection: Selection) -> Decision:
    """Return the partitions whose records are to be run again as they are.

    Raises ConfigError if there are none, or if their files are not in raw/ as they were.
    """
    with locked(project, _LOCKED_FOR):
        found = _selected(project, name, selection)
        _deliveries(project, quarantine.find_source(project, name), found)
    return Decision(name, found)


def replace_texts(project: Project, name: str, file: Path) -> Decision:
    """Take the texts that were edited in an exported file for the records'; all of them, or none.

    Raises ConfigError that names the rows that are not in quarantine; or if the source has personal data.
    """
    source = quarantine.find_source(project, name)
    if personal := [column.name for column in source.contract.columns if column.pii]:
        raise ConfigError(
            f"{name} has personal data ({', '.join(personal)}): quarantine holds its texts masked, and an "
            f"edited text would lie in {project.corrections} unmasked. Have the file delivered again "
            "corrected, or discard."
        )
    with locked(project, _LOCKED_FOR):
        edited = _edited(project, name, file)
        _deliveries(project, source, edited)
        who: dict[str, Any] = {"action": REPLACE, "by": _user(), "at": now()}
        decided: dict[date, list[Correction]] = {}
        for row in edited:
            sha256 = record_hash(row["text"], row["raw"])
            correction = Correction(file=row["file"], line=row["line"], sha256=sha256, text=row["edited"], **who)
            decided.setdefault(row["date"], []).append(correction)
        _write(project, source, decided)
    return Decision(name, edited)


def discard(project: Project, name: str, selection: Selection, reason: str) -> Decision:
    """Discard records for a reason; a refused partition only by its own rule, as a whole, or line by line.

    Raises ConfigError if there are no such records, or if their files are not in raw/ as they were.
    """
    if not reason.strip():
        raise ConfigError("Give a reason with --reason TEXT. It is all that will be known of these records later.")
    source = quarantine.find_source(project, name)
    with locked(project, _LOCKED_FOR):
        found = _selected(project, name, selection)
        _refuse_wholesale(found, selection)
        held = _deliveries(project, source, found)
        who: dict[str, Any] = {"action": DISCARD, "reason": reason, "by": _user(), "at": now()}
        decided = {}
        for day, delivery in held.items():
            mine = [row for row in found if row["date"] == day]
            is_whole = selection.rule == REFUSED_RULE and not selection.lines
            keys = _files(delivery, mine) if is_whole else _originals(project, source, delivery, mine)
            decided[day] = [Correction(file=f, line=line, sha256=sha256, **who) for f, line, sha256 in keys]
        _write(project, source, decided)
    return Decision(name, found)


def _selected(project: Project, name: str, selection: Selection) -> list[dict[str, Any]]:
    found = quarantine.records(project, name, selection, discarded=False)
    if not found:
        raise ConfigError(f"{name} has no records{selection} in quarantine. See `etl quarantine show {name}`.")
    files = {(row["date"], row["file"]) for row in found}
    if selection.lines and len(files) > 1:
        names = few(f"{day} {file}" for day, file in sorted(files))
        raise ConfigError(f"Line {selection.lines[0]} is in more than one file: {names}. Add --date and --file.")
    return found


def _refuse_wholesale(found: Sequence[Mapping[str, Any]], selection: Selection) -> None:
    refused = {row["date"]: row for row in found if row["rule"] == REFUSED_RULE}
    if refused and selection.rule != REFUSED_RULE and not selection.lines:
        day = min(refused)
        number = sum(row["rule"] == REFUSED_RULE and row["date"] == day for row in found)
        raise ConfigError(
            f"The partition of {day} is refused as a whole: {counted(number, 'record')}, and some of them are "
            "sound. "
            f"To discard all of it, add --rule {REFUSED_RULE} --date {day}. To discard single records, add --line."
        )


def _deliveries(project: Project, source: Source, found: Sequence[Mapping[str, Any]]) -> dict[date, Delivery]:
    """Return the deliveries of the records, which are in raw/ as they were when they were taken."""
    days = sorted({row["date"] for row in found})
    plan: Plan = make_plan(project, Ledger(project.ledger), Scope(max(project.today(), *days)), "etl quarantine")
    held, taken = plan.held[source.name], quarantine.contents(project, source.name)
    for day in days:
        aside = partition_file(refused_base(project), source, day)
        file = aside if aside in taken else partition_file(project.quarantine, source, day)
        if day not in held or not held[day].is_in_raw:
            raise ConfigError(
                f"{source.name} {day}: the file of these records is not in raw/ any more, or a newer snapshot "
                "replaced it. Have it delivered again."
            )
        if taken.get(file) != held[day].sha256:
            raise ConfigError(
                f"{source.name} {day}: {held[day].file} changed since these records were rejected. Run `etl run` "
                "first, and then decide about the records in quarantine."
            )
    return {day: held[day] for day in days}


def _files(delivery: Delivery, rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, int, str]]:
    """Yield what tells the files of records, each as a whole."""
    names = {row["file"] for row in rows}
    yield from ((file.name, WHOLE_FILE, file.sha256) for file in delivery.files if file.name in names)


def _originals(
    project: Project, source: Source, delivery: Delivery, rows: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, int, str]]:
    """Yield file, line and hash of records; of masked ones from the raw file, which alone has their texts."""
    if not any(column.pii for column in source.contract.columns):
        yield from ((row["file"], row["line"], record_hash(row["text"], row["raw"])) for row in rows)
        return
    wanted = {(row["file"], row["line"]) for row in rows}
    for number, file in enumerate(delivery.files):
        opened = open_file(project, source.at(delivery.date), delivery, file, number)
        try:
            skips = (skip.place for skip in opened.opened.skips())
            for place in chain((fault.place for fault in opened.opened.everything()), skips):
                if (file.name, place.line) in wanted:
                    yield file.name, place.line, record_hash(place.text, place.raw)
        finally:
            opened.close()


def _edited(project: Project, name: str, file: Path) -> list[dict[str, Any]]:
    """Return the quarantined records whose text was edited in the file, with the new one as `edited`.

    Rows that nobody edited do not matter, whatever became of their records since the export.
    """
    there = {row["record"]: row for row in quarantine.records(project, name, Selection(), discarded=False)}
    found, unknown = [], []
    for number, row in enumerate(_rows(file), 2):
        text = unguarded(row["text"]).rstrip("\r\n")
        if not is_edited(row["record"], text):
            continue
        record = there.get(row["record"])
        if record is None or row["source"] != name:
            unknown.append(f"row {number} ({row['source']} {row['date']}, {row['file']}, line {row['line']})")
        else:
            found.append({**record, "edited": with_line_ends(text, record["text"])})
    if unknown:
        raise ConfigError(
            f"{file}: {few(unknown)}: edited, but no such record of {name} is in quarantine (any more). "
            "Nothing was taken; export again, or delete these rows."
        )
    if not found:
        raise ConfigError(f"{file}: no text differs from the one in quarantine; edit the column text, and save.")
    return found


def _rows(file: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(1 << 30)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if lacking:
                raise ConfigError(
                    f"{file} has no column {', '.join(lacking)}: it must be a file that `etl quarantine export` "
                    "wrote, saved as CSV with commas, in UTF-8."
                )
            yield from ({key: value or "" for key, value in row.items() if key} for row in reader)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{file} is not CSV in UTF-8: {error}.") from None


def _write(project: Project, source: Source, decided: Mapping[date, Sequence[Correction]]) -> None:
    for day, items in decided.items():
        add_corrections(corrections_file(project, source, day), items, project.scratch)


def _key(record: Mapping[str, Any]) -> tuple[str, str, int, str]:
    """Return what a record is called, whatever was found about it since."""
    return (str(record["date"]), record["file"], record["line"], record["record"])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
