"""A partition of which people discarded records since it was taken: its rows stay, and its rejects say why.

Nothing is read or judged again, so that a million discarded records cost what it takes to write them once more.
"""

from __future__ import annotations

from pathlib import Path

from etl.engine.quoting import literal, paths
from etl.ledger import Receipt, stamp
from etl.ledger.keys import extract_key
from etl.project.files import put
from etl.stages.lake.accepted import ALIKE, accepted
from etl.stages.lake.corrections import (
    DISCARD,
    HASH,
    corrections_file,
    corrections_hash,
    count_lines,
    decided_sql,
)
from etl.stages.lake.layout import REJECTS, partition_file
from etl.stages.lake.place import ONLY_DISCARDS, Extraction, scratch_file
from etl.stages.lake.rejects import REFUSED_RULE
from etl.stages.lake.unchanged import check_unchanged
from etl.stages.raw import Delivery

#: So many earlier receipts are named in one: with an older one loaded, the partition is loaded as a new one.
_MOST_ALIKE = 20

#: So many rejects are in memory before they are written, for each thread.
_GROUP_ROWS = 20_480


def discard_again(extraction: Extraction, delivery: Delivery) -> Receipt | None:
    """Write the reasons into the rejects of a partition, and return its receipt, which is not yet written.

    None, with nothing done, unless the rows are sure to stay as they are: decisions only discard, each of them a
    record that is in quarantine, and none of these stands there for a row that another one pushed out.
    """
    source, day = extraction.source, delivery.date
    before = accepted(extraction.project, source, day, extraction.before.get(day))
    if before is None or not _is_same(extraction, delivery, before):
        return None
    written = scratch_file(extraction.project, "quarantine", delivery)
    try:
        discarded = _write(extraction, delivery, before, written)
        if discarded is None:
            return None
        check_unchanged(delivery)
        target = partition_file(extraction.project.quarantine, source, day)
        put(written, target)
    finally:
        written.unlink(missing_ok=True)
    details = {
        **{name: value for name, value in before.details.items() if name != "kept"},
        "discarded": discarded,
        "rejected": before.details["records"] - before.details["rows"] - discarded,
        "replaced": before.details["rows"],
        "corrections": delivery.corrections,
        "stale": [],
        "why_stale": [],
        ONLY_DISCARDS: True,
        ALIKE: [*before.details.get(ALIKE, ()), before.fingerprint][-_MOST_ALIKE:],
        "quarantine": stamp(target),
    }
    return Receipt(extract_key(source.name, day), extraction.content[day], extraction.run_id, details=details)


def _is_same(extraction: Extraction, delivery: Delivery, before: Receipt) -> bool:
    """Return whether nothing but decisions is new since the rows were accepted."""
    known = before.details
    quarantine = stamp(partition_file(extraction.project.quarantine, extraction.source, delivery.date))
    return (
        bool(delivery.corrections)
        and before.outcome == "done"
        and not delivery.problem
        and not (known.get("corrections") and not known.get(ONLY_DISCARDS))
        and known.get("corrections") != delivery.corrections
        and (known["file"], known["sha256"]) == (delivery.file, delivery.sha256)
        and known["definition"] == extraction.definition
        # the hash of a masked record is that of a text which only the raw file has
        and not any(column.pii for column in extraction.source.contract.columns)
        and bool(quarantine)
        and quarantine == known["quarantine"]
    )


def _write(extraction: Extraction, delivery: Delivery, before: Receipt, target: Path) -> int | None:
    """Write the rejects with the reasons beside; return how many have one, None if that is not all there is."""
    import duckdb

    decided = corrections_file(extraction.project, extraction.source, delivery.date)
    was = stamp(decided)
    known = corrections_hash(extraction.project, extraction.source, [delivery.date]).get(delivery.date)
    try:
        number, discarded = _copied(extraction, delivery, target)
    except duckdb.Error:
        return None
    facts = before.details
    # one record for each decision, and one decision at the most for each record
    is_all = number == facts["records"] - facts["rows"] and discarded == count_lines(decided)
    is_planned = known == delivery.corrections and was == stamp(decided)
    return discarded if is_all and is_planned and number - discarded <= facts["rejected"] else None


def _copied(extraction: Extraction, delivery: Delivery, target: Path) -> tuple[int, int]:
    """Write the rejects, and return how many there are, and how many of them are discarded.

    None of either if a row may be there only because of another one: without that, it keeps the contract.
    """
    con, source, day = extraction.con, extraction.source, delivery.date
    rejects = partition_file(extraction.project.quarantine, source, day)
    read = f"read_parquet({paths([rejects])}, hive_partitioning = false)"
    waiting = [REFUSED_RULE, *(unique.name for unique in source.contract.uniques)]
    if con.execute(f"select count(*) from {read} where rule in {literal(waiting)}").fetchall() != [(0,)]:
        return 0, 0
    new = {"discarded": "d.reason", "run_id": literal(extraction.run_id)}
    columns = ", ".join(f"{new.get(name, f'r.{name}')} as {name}" for name in REJECTS)
    decided = decided_sql(corrections_file(extraction.project, source, day))
    # as a filter, the condition would be pushed to where each line is parsed, once more
    reason = f"case when action = {literal(DISCARD)} and trim(reason) <> '' then reason end as reason"
    con.execute(
        f"copy (select {columns} from {read} as r left join "
        f"(select line, {_key('sha256')} as key, {reason} from {decided}) as d "
        f"on r.line = d.line and {_key(HASH)} = d.key) to {literal(str(target))} "
        f"(format parquet, row_group_size {_GROUP_ROWS}, kv_metadata {{sha256: {literal(delivery.sha256)}}})"
    )
    counts = f"select count(*), count(discarded) from read_parquet({paths([target])})"
    ((number, discarded),) = con.execute(counts).fetchall()
    return int(number), int(discarded)


def _key(sha256: str) -> str:
    """Return the SQL of a short hash of a record's file and its own: millions of long ones fill the memory.

    It tells apart what was delivered on the same line at different times; of what a sha256 is, 64 bits are enough.
    """
    return f"hash(file, {sha256})"
