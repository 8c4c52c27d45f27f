"""Deliveries with something to reject: taken apart record by record, so that each reject keeps its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from etl.contract import Rule, Source
from etl.errors import RecordsLost
from etl.formats import Record
from etl.quoting import identifier, literal
from etl.stages.lake import select
from etl.stages.lake.place import Batch, Extracted, Reject, provenance, scratch_file
from etl.stages.raw import Delivery

#: The rule of a record that has not the shape of one.
RECORD_RULE = "record"
#: The rule of all records of a partition that was refused as a whole.
REFUSED_RULE = "partition.refused"
#: Below this many records a share says nothing, and the reject limit does not apply.
_RATIO_FROM_RECORDS = 1000


def extract_carefully(batch: Batch, columns: Sequence[str], delivery: Delivery) -> Extracted:
    """Return the rows and rejects of any delivery; refused if its rejects are over the source's limit.

    Raises RecordsLost if rows and rejects do not add up to the records that the splitter found.
    """
    source = batch.source
    records = list(source.format.records(delivery.path, len(columns)))
    sound = [record for record in records if not record.problem]
    rules = [*select.rules(source, columns, [delivery.date]), *_unique_rules(source, columns)]
    _read(batch, columns, delivery, sound, rules)
    rejects = _rejects(batch, delivery, records, sound, rules)
    if _is_over(source, len(records), len(rejects)):
        return refuse(source, delivery, _over_limit(source, len(records), rejects), rejects)
    file = scratch_file(batch.project, "lake", delivery)
    rows = len(records) - len(rejects)
    extracted = Extracted(delivery, len(records), file, rows, rejects, warnings=_warnings(batch))
    written = batch.con.execute(
        f"copy (select {select.lake_columns(source, delivery.date, delivery.file)} from split "
        f"where len(_broken) = 0 order by _record) to {literal(str(file))} "
        f"(format parquet, kv_metadata {provenance(batch, extracted)})"
    ).fetchall()[0][0]
    _prove(delivery, len(records), written, len(rejects))
    return extracted


def refuse(source: Source, delivery: Delivery, reason: str, known: Sequence[Reject] = ()) -> Extracted:
    """Return a delivery of which nothing is accepted: every record in quarantine, its own fault beside."""
    own = {reject.line: reject.message for reject in known}
    rejects = []
    for record, text in _with_text(source, delivery, list(source.format.records(delivery.path, None))):
        fault = own.get(record.line) or record.problem
        message = f"{reason}; this record: {fault}" if fault else reason
        rejects.append(Reject(record.line, REFUSED_RULE, None, message, text))
    return Extracted(delivery, len(rejects), rejects=rejects, refused=reason)


def _read(
    batch: Batch, columns: Sequence[str], delivery: Delivery, sound: Sequence[Record], rules: Sequence[Rule]
) -> None:
    con, source = batch.con, batch.source
    copy = scratch_file(batch.project, "records", delivery, "txt")
    fmt = source.format.rewrite(delivery.path, sound, copy)
    texts = select.Texts(fmt.relation([copy], select.text_names(columns)), columns)
    typed = select.typed(source, texts, "file_index, row_number() over () - 1 as _record")
    values = ", ".join(identifier(column.name) for column in source.contract.columns)
    con.execute(
        f"create or replace table split as "
        f"select _record, {values}, {select.broken(rules)} as _broken from ({typed})"
    )
    copy.unlink()
    found = con.execute("select count(*) from split").fetchall()[0][0]
    _prove(delivery, len(sound), found, 0)


def _rejects(
    batch: Batch,
    delivery: Delivery,
    records: Sequence[Record],
    sound: Sequence[Record],
    rules: Sequence[Rule],
) -> list[Reject]:
    query = "select _record, _broken from split where len(_broken) > 0 order by _record"
    faults = {sound[number]: names for number, names in batch.con.execute(query).fetchall()}
    by_name = {rule.name: rule for rule in rules}
    bad = [record for record in records if record.problem or record in faults]
    rejects = []
    for record, text in _with_text(batch.source, delivery, bad):
        if record.problem:
            rejects.append(Reject(record.line, RECORD_RULE, None, record.problem, text))
        else:
            rejects.append(_reject(record.line, text, [by_name[name] for name in faults[record]]))
    return rejects


def _reject(line: int, text: str, broken: Sequence[Rule]) -> Reject:
    unreadable = {rule.column for rule in broken if rule.name.endswith(".dtype")}
    # a cell that is no value of its type is null by now; what other rules say of that null is no news
    named = [rule for rule in broken if rule.name.endswith(".dtype") or rule.column not in unreadable]
    message = "; ".join(f"{rule.name}: {rule.message}" if rule.message else rule.name for rule in named)
    return Reject(line, named[0].name, named[0].column, message, text)


def _with_text(source: Source, delivery: Delivery, records: Sequence[Record]) -> list[tuple[Record, str]]:
    found = []
    with delivery.path.open("rb") as file:
        for record in records:
            file.seek(record.start)
            found.append((record, source.format.text(file.read(record.end - record.start))))
    return found


def _unique_rules(source: Source, columns: Sequence[str]) -> list[Rule]:
    rules = []
    # a text that is no value is null by now, but no duplicate of a null
    readable = {rule.column: rule.sql for rule in select.dtype_rules(source, columns)}
    for unique in source.contract.uniques:
        if unique.severity == "error":
            names = [*source.contract.key(unique), *(readable[c] for c in unique.columns if c in readable)]
            sql = f"count(*) over (partition by {', '.join(names)}) = 1"
            column = unique.columns[0] if len(unique.columns) == 1 else None
            message = f"more than one record has the same {', '.join(unique.columns)}"
            rules.append(Rule(unique.name, sql, column, message))
    return rules


def _warnings(batch: Batch) -> dict[str, int]:
    counts = {}
    for rule in batch.source.contract.rules:
        if rule.severity == "warn":
            sql = f"select count(*) from split where len(_broken) = 0 and not ({rule.sql})"
            counts[rule.name] = batch.con.execute(sql).fetchall()[0][0]
    return {name: count for name, count in counts.items() if count}


def _is_over(source: Source, records: int, rejected: int) -> bool:
    return records >= _RATIO_FROM_RECORDS and rejected > records * source.max_reject_ratio


def _over_limit(source: Source, records: int, rejects: Sequence[Reject]) -> str:
    counts = ", ".join(f"{rule} {n:,}" for rule, n in Counter(r.rule for r in rejects).most_common(5))
    examples = "; ".join(f"line {reject.line}: {reject.text[:80]}" for reject in rejects[:3])
    return (
        f"{len(rejects):,} of {records:,} records break the contract, more than max_reject_ratio = "
        f"{source.max_reject_ratio:g} allows ({counts}), such as {examples}"
    )


def _prove(delivery: Delivery, records: int, rows: int, rejected: int) -> None:
    if records != rows + rejected:
        raise RecordsLost(
            f"{delivery.source} {delivery.date}: {delivery.file} has {records:,} records, but {rows:,} rows and "
            f"{rejected:,} rejects came out of it. Nothing of it was taken. This is a fault of etl: please report "
            "it with the file, and set the file aside."
        )
