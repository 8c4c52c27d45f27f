"""Deliveries with something to reject: the rows that keep the contract, and the others, each with its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from etl.engine.quoting import literal
from etl.errors import RecordsLost
from etl.sources import Source
from etl.stages.lake import typing_sql
from etl.stages.lake.corrected import Corrected, why_without_effect
from etl.stages.lake.corrections import Corrections
from etl.stages.lake.in_blocks import take
from etl.stages.lake.inputs import Input, lines_of
from etl.stages.lake.place import Extracted, Extraction, origin, provenance, scratch_file, why_too_few
from etl.stages.lake.rejects import Refused, Rejects
from etl.stages.lake.sound import Sound
from etl.stages.raw import Delivery

#: Below this many records a share says nothing, and the reject ratio does not apply.
_RATIO_FROM_RECORDS = 1000

#: Of more rejects than these, only the first are counted by rule, which the message says.
_COUNTED = 10_000


def extract_carefully(
    extraction: Extraction, delivery: Delivery, inputs: Sequence[Input], in_blocks: bool = False
) -> Extracted:
    """Return the rows and rejects of any delivery; refused if its rejects are over the source's limits.

    `in_blocks` says whether the delivery may be taken in blocks.

    Raises RecordsLost if rows and rejects do not add up to the records that the format found.
    """
    if corrections := extraction.corrections(delivery):
        return _extract_corrected(extraction, delivery, inputs, corrections)
    file = scratch_file(extraction.project, "lake", delivery)
    try:
        extracted, rejects = (in_blocks and _in_blocks(extraction, delivery, inputs, file)) or _as_a_whole(
            extraction, delivery, inputs, file
        )
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    records = extracted.records
    _prove(delivery, records, extracted.rows, rejects)
    if reason := _refusal(extraction, delivery, records, extracted.rows, rejects):
        file.unlink()
        return _refused(delivery, inputs, Refused(rejects, Corrections(), reason, {}))
    extracted.rows_file = file
    extracted.rejects, extracted.rejected = rejects, rejects.count
    return extracted


def _in_blocks(
    extraction: Extraction, delivery: Delivery, inputs: Sequence[Input], file: Path
) -> tuple[Extracted, Rejects] | None:
    """Write the rows of a delivery block by block; None if that is not sure to be right."""
    extracted = Extracted(delivery=delivery, records=_records(inputs), told=lines_of(inputs))

    def describe(warnings: Mapping[str, int]) -> Mapping[str, str]:
        extracted.warnings |= warnings
        return origin(extraction, extracted)

    taken = take(extraction, delivery.date, inputs, file, describe)
    if taken is None:
        return None
    extracted.rows = taken.rows
    return extracted, Rejects(extraction, inputs, taken.rules, taken.broken)


def _as_a_whole(
    extraction: Extraction, delivery: Delivery, inputs: Sequence[Input], file: Path
) -> tuple[Extracted, Rejects]:
    """Write the rows of a delivery as DuckDB reads them."""
    for input in inputs:
        input.opened.verify()
    sound = Sound(extraction, delivery, inputs)
    extracted = Extracted(
        delivery=delivery, records=_records(inputs), told=lines_of(inputs), warnings=sound.warnings()
    )
    extracted.rows = _write(extraction, extracted, inputs, sound, file)
    broken = sound.broken() if extracted.rows < sum(file.opened.sound for file in inputs) else {}
    return extracted, Rejects(extraction, inputs, sound.rules, broken)


def _records(inputs: Sequence[Input]) -> int:
    return sum(file.records for file in inputs)


def refuse(extraction: Extraction, delivery: Delivery, inputs: Sequence[Input], reason: str) -> Extracted:
    """Return a delivery of which nothing is accepted: every record in quarantine, its own fault beside."""
    corrections = extraction.corrections(delivery)
    refused = Refused(Rejects(extraction, inputs), corrections, reason, {})
    return _refused(delivery, inputs, refused, corrections)


def _extract_corrected(
    extraction: Extraction, delivery: Delivery, inputs: Sequence[Input], corrections: Corrections
) -> Extracted:
    """Take a delivery twice: without the corrections, to see which of them count, and with those."""
    for input in inputs:
        input.opened.verify()
    records = sum(file.records for file in inputs)
    sound = Sound(extraction, delivery, inputs)
    before = Rejects(extraction, inputs, sound.rules, broken := sound.broken())
    is_refused = bool(_limit(extraction.source, records, before.count))
    corrected = Corrected(extraction, delivery, before, corrections, everything=is_refused)
    try:
        change = corrected.change(broken)
        sound = Sound(extraction, delivery, inputs, change)
        every = [*inputs, *change.inputs]
        stale = why_without_effect(inputs, corrections, corrected.used)
        told, discarded = lines_of(inputs), corrected.discarded
        extracted = Extracted(
            delivery=delivery,
            records=records,
            told=told,
            discarded=discarded,
            warnings=sound.warnings(),
            stale=stale,
            only_discards=corrections.only_discards,
        )
        file = scratch_file(extraction.project, "lake", delivery)
        extracted.rows = _write(extraction, extracted, every, sound, file)
        broken = sound.broken()
    finally:
        corrected.close()
    entries, again = corrected.outcome(Rejects(extraction, inputs, sound.rules), broken)
    own = {number: names for number, names in broken.items() if number < len(inputs)}
    rejects = Rejects(extraction, inputs, sound.rules, own, corrections, entries)
    _prove(delivery, records, extracted.rows, rejects)
    if reason := _refusal(extraction, delivery, records, extracted.rows, rejects):
        file.unlink()
        return _refused(delivery, inputs, Refused(before, corrections, reason, again), corrections)
    extracted.rows_file, extracted.rejects, extracted.rejected = file, rejects, rejects.count
    return extracted


def _refused(
    delivery: Delivery, inputs: Sequence[Input], refused: Refused, corrections: Corrections | None = None
) -> Extracted:
    records = sum(file.records for file in inputs)
    rejected = records - refused.discarded
    stale = why_without_effect(inputs, corrections or Corrections(), refused.used)
    return Extracted(
        delivery=delivery,
        records=records,
        told=lines_of(inputs),
        rejects=refused,
        rejected=rejected,
        discarded=refused.discarded,
        refused=refused.reason,
        stale=stale,
    )


def _write(extraction: Extraction, extracted: Extracted, inputs: Sequence[Input], sound: Sound, file: Path) -> int:
    names = literal([item.file.name for item in inputs])
    columns = typing_sql.lake_columns(extraction.source, extracted.delivery.date, f"({names})[_file_number + 1]")
    copy = f"copy (select {columns} from {sound.kept}) to {literal(str(file))}"
    metadata = provenance(extraction, extracted)
    return int(extraction.con.execute(f"{copy} (format parquet, kv_metadata {metadata})").fetchall()[0][0])


def _refusal(extraction: Extraction, delivery: Delivery, records: int, rows: int, rejects: Rejects) -> str:
    """Return why a delivery with these rejects is refused as a whole; empty if it is not."""
    if limit := _limit(extraction.source, records, rejects.count):
        return _over_limit(records, rejects, limit)
    few = why_too_few(extraction, delivery, records=records, rows=rows, discarded=rejects.discarded)
    return f"{few} {_examples(rejects)}" if few and rejects.count else few


def _limit(source: Source, records: int, rejected: int) -> str:
    """Return the limit that the rejects are over; empty if they are not."""
    if source.max_rejects is not None and rejected > source.max_rejects:
        return f"max_rejects = {source.max_rejects}"
    if records >= _RATIO_FROM_RECORDS and rejected > records * source.max_reject_ratio:
        return f"max_reject_ratio = {source.max_reject_ratio:g}"
    return ""


def _over_limit(records: int, rejects: Rejects, limit: str) -> str:
    count = f"{rejects.count:,} of {records:,} records"
    return f"{count} break the contract, more than {limit} allows {_examples(rejects)}"


def _examples(rejects: Rejects) -> str:
    """Return which rules are broken how often, and the first records that break them."""
    # a file can be broken all through: what comes first must do as an example
    sample = [reject for reject in islice(rejects, _COUNTED) if reject.discarded is None]
    first = f"of the first {_COUNTED:,}: " if rejects.count + rejects.discarded > _COUNTED else ""
    counts = ", ".join(f"{rule} {n:,}" for rule, n in Counter(r.rule for r in sample).most_common(5))
    examples = "; ".join(f"line {reject.line}: {reject.text[:80]}" for reject in sample[:3])
    return f"({first}{counts}), such as {examples}"


def _prove(delivery: Delivery, records: int, rows: int, rejects: Rejects) -> None:
    rejected = rejects.count + rejects.discarded
    if records != rows + rejected:
        raise RecordsLost(
            f"{delivery.source} {delivery.date}: {delivery.file} has {records:,} records, but {rows:,} rows and "
            f"{rejected:,} rejects came out of it. Nothing of it was taken. This is a fault of etl: please report "
            "it with the file, and set the file aside."
        )
