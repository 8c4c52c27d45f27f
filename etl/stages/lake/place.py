"""Putting a partition's files in place: written aside, flushed, renamed; its receipt comes last."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl import engine
from etl.contract import Rule
from etl.contract.cleansing import described
from etl.contract.masking import key_id, require_key
from etl.contract.masking import prepare as prepare_masking
from etl.contract.python_rules import prepare as prepare_python
from etl.engine.quoting import literal
from etl.errors import ConfigError, DeliveryError, RecordsLost, counted, sentence
from etl.ledger import Receipt, fingerprint, stamp
from etl.ledger.keys import extract_key
from etl.project import Project
from etl.project.files import private, put
from etl.sources import Source
from etl.sources.redactor import Redactor
from etl.stages.lake import accepted
from etl.stages.lake.corrections import Corrections, corrections_file, read_corrections
from etl.stages.lake.inputs import Input, Lines
from etl.stages.lake.layout import REJECTS, delete_partition, partition_file, refused_base
from etl.stages.lake.streamed import in_parts, write_streamed
from etl.stages.lake.tally import WHY, Reject, Tally
from etl.stages.lake.unchanged import check_unchanged
from etl.stages.raw import Delivery

if TYPE_CHECKING:
    import duckdb

#: What a receipt says of a partition whose decisions leave records out and change none.
ONLY_DISCARDS = "only_discards"
#: Raise it when the same file and contract would now give another partition.
VERSION = 3
#: More rejects than this are not put in memory at once; fewer are not worth importing pyarrow for.
_REJECTS_AT_ONCE = 20_000
#: What a source says that changes nothing in the lake.
_WITHOUT_EFFECT = (
    "name",
    "required",
    "lag_days",
    "every",
    "max_withdrawn",
    "connector",
    "task",
    "fetch",
    "declared",
    "history",
    "load",
    "contract",
    "variants",
    "owner",
    "expected_by",
    "expected_days",
    "timeout_minutes",
    "wait",
    "poll",
)


def definition(source: Source, timezone: str) -> str:
    """Return the fingerprint of what decides, beside a file's content, what becomes of it."""
    # of what holds since when, only what holds on the day at hand
    options = {name: option for name, option in source.to_dict().items() if name not in _WITHOUT_EFFECT}
    options |= source.connector.definition
    if source.min_rows_ratio is None:
        # it came later: what says nothing of it has the fingerprint of before
        del options["min_rows_ratio"]
    return fingerprint(options, source.contract.definition(), key_id(source.contract), timezone, VERSION)


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """Deliveries of one source that one connection extracts; `content` is the fingerprint of each date."""

    con: duckdb.DuckDBPyConnection
    project: Project
    source: Source
    content: Mapping[date, str]
    run_id: str
    #: The receipt of the rows that a delivery would replace, by its date; a snapshot's may be of an earlier date.
    before: Mapping[date, Receipt] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.arm(self.con)

    @cached_property
    def definition(self) -> str:
        """The fingerprint of the source's definition."""
        return definition(self.source, self.project.settings.timezone)

    @cached_property
    def cleaned(self) -> dict[str, list[str]]:
        """What is cleaned of the cells of each column."""
        return described({column.name: column.clean for column in self.source.contract.columns})

    @cached_property
    def notes(self) -> str:
        """What the contract says of its columns, as JSON; empty if it says nothing."""
        notes = self.source.contract.notes()
        return json.dumps(notes, ensure_ascii=False) if notes else ""

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open another connection to the same database, for a thread of its own."""
        with self.con.cursor() as cursor:
            engine.set_session(cursor, self.project)
            self.arm(cursor)
            yield cursor

    def arm(self, con: duckdb.DuckDBPyConnection) -> None:
        """Give a connection the key that masks personal data, if there is any."""
        prepare_masking(con, self._key)

    def python_rules(self, relation: str) -> list[Rule]:
        """Return the contract's Python checks as rules, evaluated on the values of `relation`."""
        return prepare_python(self.con, self.source.contract, self.project.contracts, relation)

    def redactor(self, file: Input) -> Redactor:
        """Return what masks the texts of a file's records."""
        return Redactor(self.source.contract, self._key, self.source.format, file.opened.columns)

    def corrections(self, delivery: Delivery) -> Corrections:
        """Return what people decided about a delivery's records, if it is what the run was planned with."""
        if not delivery.corrections:
            return Corrections()
        file = corrections_file(self.project, self.source, delivery.date)
        try:
            found = read_corrections(file)
        except ConfigError as error:
            raise DeliveryError(f"{delivery.source} {delivery.date}: {sentence(str(error))}") from None
        if found.sha256 != delivery.corrections:
            raise DeliveryError(
                f"{delivery.source} {delivery.date}: {file} changed since the run began. Nothing of "
                f"{delivery.file} was taken. The next run takes it with the new corrections."
            )
        return found

    @cached_property
    def _key(self) -> bytes | None:
        return require_key(self.source.contract)


@dataclass(kw_only=True)
class Extracted:
    """What became of one delivery, before it is in place; `rows_file` is a finished Parquet file, if any."""

    delivery: Delivery
    records: int
    told: Lines
    rows_file: Path | None = None
    rows: int = 0
    #: Those that are in quarantine, discarded ones among them; `rejected` counts the others.
    rejects: Iterable[Reject] = ()
    rejected: int = 0
    discarded: int = 0
    refused: str = ""
    #: What those corrections are about that are about no rejected record, and why not.
    stale: Mapping[str, str] = field(default_factory=dict)
    #: Whether its decisions, if there are any, leave records out and change none.
    only_discards: bool = False
    warnings: dict[str, int] = field(default_factory=dict)

    @property
    def is_discarded(self) -> bool:
        """Whether a person discarded all of it."""
        return self.discarded == self.records > 0


def place(extraction: Extraction, extracted: Extracted, *, is_flushed: bool = False) -> Receipt:
    """Move one partition's rows and rejects into place and return its receipt, which is not yet written.

    Rows that are on the disk already, with those of others, have folders() that are still to be flushed.

    Of a refused one, what was accepted before stays, with its own rejects; those of the refused one lie aside.
    """
    delivery = extracted.delivery
    check_unchanged(delivery)
    source, day = extraction.source, delivery.date
    key, content = extract_key(source.name, day), extraction.content[day]
    aside = partition_file(refused_base(extraction.project), source, day)
    before = accepted.accepted(extraction.project, source, day, extraction.before.get(day))
    # what a person discarded as a whole is left out by their word
    if extracted.refused and before and not extracted.is_discarded:
        why = _quarantine(extraction, extracted, aside)
        details = accepted.kept_details(before, extracted.refused, {**_facts(extraction, extracted), **why})
        return Receipt(key, content, extraction.run_id, "kept", details=details)
    quarantine = partition_file(extraction.project.quarantine, source, day)
    why = _quarantine(extraction, extracted, quarantine)
    lake = partition_file(extraction.project.lake, source, day)
    if extracted.rows_file is not None:
        put(extracted.rows_file, lake, is_flushed=is_flushed)
    elif source.is_dated:
        # not so a snapshot's, which is the only record of what came before
        delete_partition(lake.parent)
    delete_partition(aside.parent)
    details = {
        **_facts(extraction, extracted),
        "rows": extracted.rows,
        "rejected": extracted.rejected,
        "refused": extracted.refused,
        **why,
        **({"replaced": extraction.before[day].details["rows"]} if day in extraction.before else {}),
        "lake": stamp(lake),
        "quarantine": stamp(quarantine),
    }
    outcome = "refused" if extracted.refused else "done"
    return Receipt(key, content, extraction.run_id, outcome, details=details)


def folders(extraction: Extraction, extracted: Extracted) -> list[Path]:
    """Return the folder of a partition's rows, and those above it that may be new."""
    folder = partition_file(extraction.project.lake, extraction.source, extracted.delivery.date).parent
    return [folder, folder.parent, extraction.project.lake, extraction.project.lake.parent]


def refusal(extraction: Extraction, extracted: Extracted, receipt: Receipt) -> str:
    """Return the message about a refused delivery: what is wrong, where its records are, and what to do next."""
    delivery, count = extracted.delivery, extracted.records
    said = f"{delivery.source} {delivery.date}: {delivery.file} is refused: {sentence(extracted.refused)}"
    if count:
        are = "is" if count == 1 else "are"
        said += f" Its {counted(count, 'record')} {are} in quarantine; see `etl quarantine {delivery.source}`."
    if receipt.outcome != "kept":
        return f"{said} {_again(extraction.source)}, or adapt the contract or the source."
    said += f" The {counted(receipt.details['rows'], 'row')} accepted before"
    if receipt.details["sha256"] != delivery.sha256:
        other = "" if extraction.source.fetch else ", or put the one before it back"
        return f"{said} stay. {_again(extraction.source)}{other}."
    return (
        f"{said} from the same file stay. The contract, the source or etl itself changed, and the file does not "
        "fit it. "
        f"Undo the change, or say from which day after {delivery.date} it holds, such as "
        'format={None: Csv(), "2024-03-31": Csv(delimiter=";")}.'
    )


def why_too_few(extraction: Extraction, delivery: Delivery, *, records: int, rows: int, discarded: int = 0) -> str:
    """Return why the rows of a delivery are too few for what they would replace; empty if they are not."""
    before = extraction.before.get(delivery.date)
    return accepted.why_too_few(extraction.source, before, records=records, rows=rows, discarded=discarded)


def provenance(extraction: Extraction, extracted: Extracted) -> str:
    """Return origin() as the KV_METADATA of a COPY."""
    values = origin(extraction, extracted)
    return "{" + ", ".join(f"{name}: {literal(value)}" for name, value in values.items()) + "}"


def origin(extraction: Extraction, extracted: Extracted) -> dict[str, str]:
    """Return the metadata of a lake file: where its rows come from, and the receipt that they prove."""
    values = {
        "source": extraction.source.name,
        "date": str(extracted.delivery.date),
        "run_id": extraction.run_id,
        "fingerprint": extraction.content[extracted.delivery.date],
        "facts": json.dumps(_facts(extraction, extracted)),
    }
    if extraction.notes:
        # DuckDB's COPY writes no metadata of single fields
        values["columns"] = extraction.notes
    return values


def _facts(extraction: Extraction, extracted: Extracted) -> dict[str, Any]:
    return {
        "file": extracted.delivery.file,
        "sha256": extracted.delivery.sha256,
        "definition": extraction.definition,
        "records": extracted.records,
        "discarded": extracted.discarded,
        "lines": extracted.told.lines,
        "skipped": extracted.told.skipped,
        "skips": list(extracted.told.notes),
        "warnings": extracted.warnings,
        "cleaned": extraction.cleaned,
        **_applied(extracted),
    }


def _applied(extracted: Extracted) -> dict[str, Any]:
    """Return which corrections were known, what those are about that count no more, and why."""
    sha256 = extracted.delivery.corrections
    stale, whys = list(extracted.stale), list(extracted.stale.values())
    own = {ONLY_DISCARDS: True} if extracted.only_discards else {}
    return {"corrections": sha256, "stale": stale, "why_stale": whys, **own} if sha256 else {}


def _quarantine(extraction: Extraction, extracted: Extracted, target: Path) -> dict[str, Any]:
    """Write the rejects, a bounded number of them in memory, and move them into place; return what they broke."""
    source, delivery = extraction.source, extracted.delivery
    expected = extracted.rejected + extracted.discarded
    if not expected:
        delete_partition(target.parent)
        return {}
    tally = Tally(extracted.rejects)
    extracted.rejects = tally
    written = scratch_file(extraction.project, "quarantine", delivery)
    count = _write_rejects(extraction, extracted, written)
    if count != expected:
        raise RecordsLost(
            f"{source.name} {delivery.date}: {expected:,} records of {delivery.file} are rejected, but "
            f"{count:,} could be read again. Nothing of it was taken. Was the file changed? Run again."
        )
    put(written, target)
    return {WHY: tally.told}


def _write_rejects(extraction: Extraction, extracted: Extracted, target: Path) -> int:
    """Write rejects to a Parquet file; a large number of them, a part at a time. Return how many there were."""
    delivery = extracted.delivery
    fixed = {"source": extraction.source.name, "date": delivery.date, "run_id": extraction.run_id}
    parts = in_parts(extracted.rejects, _REJECTS_AT_ONCE)
    part = next(parts, [])
    if more := next(parts, []):
        return write_streamed(fixed, chain([part, more], parts), target, {"sha256": delivery.sha256})
    columns = ", ".join(f"{name} {type}" for name, type in REJECTS.items())
    extraction.con.execute(f"create or replace temp table rejects ({columns})")
    names = ", ".join([*(f"? as {name}" for name in fixed), *(f"unnest(?) as {name}" for name in Reject._fields)])
    if part:
        values = [list(column) for column in zip(*part, strict=True)]
        extraction.con.execute(f"insert into rejects by name select {names}", [*fixed.values(), *values])
    metadata = f"kv_metadata {{sha256: {literal(delivery.sha256)}}}"
    copy = f"copy (from rejects order by file, line) to {literal(str(target))} (format parquet, {metadata})"
    count = extraction.con.execute(copy).fetchall()[0][0]
    extraction.con.execute("drop table rejects")
    return int(count)


def scratch_file(project: Project, kind: str, delivery: Delivery, suffix: str = "parquet") -> Path:
    """Return a path for a half-written file of one delivery."""
    return private(project.scratch) / f"{kind}-{delivery.source}-{delivery.date}.{suffix}"


def _again(source: Source) -> str:
    """Return how to have a delivery once more."""
    if source.fetch is None:
        return "Have the file delivered again"
    full = " --full" if source.fetch.mode == "cursor" else ""
    return f"Have it corrected at the other side and type etl fetch {source.name}{full}"
