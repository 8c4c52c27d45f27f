"""Decisions about quarantined records: written down as corrections while no run is under way, then applied."""

from __future__ import annotations

import csv
import getpass
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine.quoting import literal
from etl.errors import ConfigError, counted, few
from etl.ledger import Ledger, now
from etl.ledger.lock import locked
from etl.operations import rejected
from etl.operations.quarantine import COLUMNS
from etl.operations.rejected import NAME, Selection, find_source, is_edited
from etl.operations.spreadsheet import unguarded, with_line_ends
from etl.plan import Plan, Scope, make_plan
from etl.project import Project
from etl.sources import Source
from etl.stages.lake import partition_file
from etl.stages.lake.corrections import (
    DISCARD,
    HASH,
    REPLACE,
    WHOLE_FILE,
    Correction,
    add_corrections,
    add_decision,
    add_lines,
    corrections_file,
    end_of_line,
    record_hash,
)
from etl.stages.lake.inputs import open_file
from etl.stages.lake.layout import refused_base
from etl.stages.lake.rejects import REFUSED_RULE
from etl.stages.raw import Delivery

if TYPE_CHECKING:
    import duckdb
    import pyarrow

#: What is said to have the lock meanwhile: a run that is under way was planned with what was decided before.
_LOCKED_FOR = "etl quarantine"
_BLOCK_ROWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Records of a source whose partitions are to be run again, those of `days`; `records` their names."""

    source: str
    days: Sequence[date]
    records: pyarrow.Table

    @property
    def number(self) -> int:
        """How many records were decided about."""
        return int(self.records.num_rows)

    def still_there(self, project: Project) -> tuple[int, int]:
        """Return how many of the records are rejected now, and how many of the source are, these and others."""
        with rejected.opened(project, self.source, discarded=False) as con:
            con.register("decided", self.records)
            query = f"select count(*) filter ({NAME} in (select name from decided)), count(*) from selected"
            ((stay, everything),) = con.execute(query).fetchall()
        return stay, everything


def replay(project: Project, name: str, selection: Selection) -> Decision:
    """Return the partitions whose records are to be run again as they are.

    Raises ConfigError if there are none, or if their files are not in raw/ as they were.
    """
    with locked(project, _LOCKED_FOR), _selected(project, name, selection) as con:
        decision = _decision(con, name)
        _deliveries(project, find_source(project, name), decision.days)
    return decision


def replace_texts(project: Project, name: str, file: Path) -> Decision:
    """Take the texts that were edited in an exported file for the records'; all of them, or none.

    Raises ConfigError that names the rows that are not in quarantine; or if the source has personal data.
    """
    source = find_source(project, name)
    if personal := [column.name for column in source.contract.columns if column.pii]:
        raise ConfigError(
            f"{name} has personal data ({', '.join(personal)}): quarantine holds its texts masked, and an "
            f"edited text would lie in {project.corrections} unmasked. Have the file delivered again "
            "corrected, or discard."
        )
    with locked(project, _LOCKED_FOR), rejected.opened(project, name, discarded=False) as con:
        edited = _edited(con, name, file)
        decision = _decision(con, name, edited)
        _deliveries(project, source, decision.days)
        who: dict[str, Any] = {"action": REPLACE, "by": _user(), "at": now()}
        decided: dict[date, list[Correction]] = {}
        for row in edited.values():
            correction = Correction(
                file=row["file"], line=row["line"], sha256=row["hash"], text=row["edited"], **who
            )
            decided.setdefault(row["date"], []).append(correction)
        for day, items in decided.items():
            add_corrections(corrections_file(project, source, day), items, project.scratch)
    return decision


def discard(project: Project, name: str, selection: Selection, reason: str) -> Decision:
    """Discard records for a reason; a refused partition only by its own rule, as a whole, or line by line.

    Raises ConfigError if there are no such records, or if their files are not in raw/ as they were.
    """
    if not reason.strip():
        raise ConfigError("Give a reason with --reason TEXT. It is all that will be known of these records later.")
    source = find_source(project, name)
    with locked(project, _LOCKED_FOR), _selected(project, name, selection) as con:
        _refuse_wholesale(con, selection)
        decision = _decision(con, name)
        held = _deliveries(project, source, decision.days)
        who = {"action": DISCARD, "reason": reason, "by": _user(), "at": now()}
        is_whole = selection.rule == REFUSED_RULE and not selection.lines
        for day, delivery in held.items():
            file = corrections_file(project, source, day)
            if is_whole:
                add_decision(file, _files(con, delivery), who, project.scratch)
            elif any(column.pii for column in source.contract.columns):
                add_decision(file, _originals(project, source, delivery, con), who, project.scratch)
            else:
                add_lines(file, _lines(con, delivery, who), project.scratch)
    return decision


@contextmanager
def _selected(project: Project, name: str, selection: Selection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database with the records to decide about. Raises ConfigError if there are none, or in two files."""
    find_source(project, name)
    with rejected.opened(project, name, selection, discarded=False) as con:
        files = con.execute("select distinct date, file from selected order by all").fetchall()
        if not files:
            raise ConfigError(f"{name} has no records{selection} in quarantine. See `etl quarantine show {name}`.")
        if selection.lines and len(files) > 1:
            names = few(f"{day} {file}" for day, file in files)
            raise ConfigError(
                f"Line {selection.lines[0]} is in more than one file: {names}. Add --date and --file."
            )
        yield con


def _decision(con: duckdb.DuckDBPyConnection, name: str, records: Collection[str] | None = None) -> Decision:
    """Return a decision about the selected records, or about some of them."""
    mine = "true" if records is None else "record in (select unnest($1))"
    given = [] if records is None else [list(records)]
    days = con.execute(f"select distinct date from selected where {mine} order by all", given).fetchall()
    called = con.sql(f"select {NAME} as name from selected where {mine}", params=given).to_arrow_table()
    return Decision(source=name, days=[day for (day,) in days], records=called)


def _refuse_wholesale(con: duckdb.DuckDBPyConnection, selection: Selection) -> None:
    if selection.rule == REFUSED_RULE or selection.lines:
        return
    query = f"select date, count(*) from selected where rule = {literal(REFUSED_RULE)} group by all order by all"
    for day, number in con.execute(query).fetchall():
        raise ConfigError(
            f"The partition of {day} is refused as a whole: {counted(number, 'record')}, and some of them are "
            "sound. "
            f"To discard all of it, add --rule {REFUSED_RULE} --date {day}. To discard single records, add --line."
        )


def _deliveries(project: Project, source: Source, days: Sequence[date]) -> dict[date, Delivery]:
    """Return the deliveries of records, which are in raw/ as they were when they were taken."""
    plan: Plan = make_plan(project, Ledger(project.ledger), Scope(max(project.today(), *days)), "etl quarantine")
    held, taken = plan.held[source.name], rejected.contents(project, source.name)
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


def _files(con: duckdb.DuckDBPyConnection, delivery: Delivery) -> Iterator[tuple[str, int, str]]:
    """Yield what tells the files of records, each as a whole."""
    names = {name for (name,) in con.execute(f"select distinct file {_of(delivery)}").fetchall()}
    yield from ((file.name, WHOLE_FILE, file.sha256) for file in delivery.files if file.name in names)


def _lines(con: duckdb.DuckDBPyConnection, delivery: Delivery, decision: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the lines that say one thing about records, many at a time: there can be millions."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = ("'{\"file\": '", "to_json(file)", "', \"line\": '", "line", '\', "sha256": "\'', HASH, "'\", '")
    query = f"select concat({', '.join(cells)}, $1) as said {_of(delivery)}"
    for block in con.sql(query, params=[end_of_line(decision)]).to_arrow_reader(_BLOCK_ROWS):
        together = pa.ListArray.from_arrays([0, block.num_rows], block.column(0))
        yield pc.binary_join(together, "")[0].as_buffer().to_pybytes()


def _originals(
    project: Project, source: Source, delivery: Delivery, con: duckdb.DuckDBPyConnection
) -> Iterator[tuple[str, int, str]]:
    """Yield file, line and hash of masked records, from the raw file, which alone has their texts."""
    wanted = set(rejected.rows(con, f"select file, line {_of(delivery)}"))
    for number, file in enumerate(delivery.files):
        opened = open_file(project, source.at(delivery.date), delivery, file, number)
        try:
            skips = (skip.place for skip in opened.opened.skips())
            for place in chain((fault.place for fault in opened.opened.everything()), skips):
                if (file.name, place.line) in wanted:
                    yield file.name, place.line, record_hash(place.text, place.raw)
        finally:
            opened.close()


def _of(delivery: Delivery) -> str:
    return f"from selected where date = {literal(delivery.date)}"


def _edited(con: duckdb.DuckDBPyConnection, name: str, file: Path) -> dict[str, dict[str, Any]]:
    """Return the selected records whose text was edited in the file, with the new one as `edited`.

    Rows that nobody edited do not matter, whatever became of their records since the export.
    """
    texts: dict[str, str] = {}
    rows: dict[str, str] = {}
    strange = []
    for number, row in enumerate(_rows(file), 2):
        text = unguarded(row["text"]).rstrip("\r\n")
        if is_edited(row["record"], text):
            said = f"row {number} ({row['source']} {row['date']}, {row['file']}, line {row['line']})"
            strange += [said] if row["source"] != name else []
            texts[row["record"]], rows[row["record"]] = text, said
    if not texts:
        raise ConfigError(f"{file}: no text differs from the one in quarantine; edit the column text, and save.")
    query = f"select record, date, file, line, {HASH}, text from selected where record in (select unnest($1))"
    found = {
        record: {
            "date": day,
            "file": raw,
            "line": line,
            "hash": sha256,
            "edited": with_line_ends(texts[record], text),
        }
        for record, day, raw, line, sha256, text in rejected.rows(con, query, [list(texts)])
    }
    strange += [said for record, said in rows.items() if record not in found and said not in strange]
    if strange:
        raise ConfigError(
            f"{file}: {few(strange)}: edited, but no such record of {name} is in quarantine (any more). "
            "Nothing was taken; export again, or delete these rows."
        )
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


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
