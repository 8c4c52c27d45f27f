"""The built-in kinds of audits: one line of a header or contract as a SELECT of offending rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from etl.contract.audit import BATCH_DATE, MOST_COUNTS, ROW_COUNTS, Audit, HeaderAudit
from etl.contract.audit_grammar import COLUMN, COLUMNS, PERCENT, WORD, AuditKind, Make, built_in, names, share
from etl.contract.audit_sql import odd_partitions, seldom_filled, stale_or_thin, sums_that_differ
from etl.contract.drift import DRIFT
from etl.contract.drift_training import of_training
from etl.engine.quoting import identifier, literal, qualified
from etl.errors import ModelError, unknown

_PARTITION = re.compile(r"\s+by\s+partition\s*$", re.IGNORECASE)
_VALUE = re.compile(r"\s*(?:'((?:[^']|'')*)'|([^',]*[^',\s]))\s*(?:,|$)")


def audits_of(
    table: str, file: str, lines: Sequence[HeaderAudit], partition: str = "", training: str = ""
) -> list[Audit]:
    """Return the audits of a table that the lines of its header, or of its contract, ask for.

    Each is named `<table>.<kind>.<columns>`; a name that comes again gets a number. `by partition` is by the
    column `partition`, if the table has one; `of training` is what `training` says. Raises ModelError with file,
    line and the grammar for a text that is not understood.
    """
    found: dict[str, Audit] = {}
    for line in lines:
        try:
            text = of_training(line.kind, _by_column(line, partition), training)
            asked = list(parsed(line.kind, text))
        except ValueError as error:
            raise ModelError(f"{file}:{line.line}: {error}." if line.line else f"{file}: {error}.") from None
        for part in asked:
            audit = part(table)
            name, number = audit.name, 1
            while audit.name in found:
                number += 1
                audit = replace(audit, name=f"{name}#{number}")
            why = f"{line.kind}: {line.text}"
            found[audit.name] = replace(audit, file=file, line=line.line, severity=line.severity, why=why)
    return list(found.values())


def check_tables(audits: Iterable[Audit], known: Iterable[str]) -> None:
    """Raise ModelError for an audit that reads a table that is neither raw nor made by a model."""
    tables = list(known)
    for audit in audits:
        for name in audit.reads:
            if name not in tables:
                said = f"{audit.place}: {audit.why}: there is no table {name}"
                raise ModelError(unknown(said, name, tables, "Tables are raw.<source> or <schema>.<model>"))


def _by_column(line: HeaderAudit, partition: str) -> str:
    """Return the text of a line with the table's partition column in place of the word."""
    if not AUDIT_KINDS[line.kind].by_partition or not (match := _PARTITION.search(line.text)):
        return line.text
    if not partition:
        raise ValueError(f"{line.kind}: the table has no partition. Name a date column: by sale_date")
    return f"{line.text[: match.start()]} by {identifier(partition)}"


def parsed(kind: str, text: str) -> Iterator[Make]:
    """Yield the audits of one line; ValueError that says the grammar if the text is not of it."""
    match = re.fullmatch(AUDIT_KINDS[kind].pattern, text.strip())
    if match is None:
        raise ValueError(
            f"{kind}: {text!r} is not understood. Write it like this: {kind}: {AUDIT_KINDS[kind].grammar}"
        )
    try:
        yield from AUDIT_KINDS[kind].make(match)
    except ValueError as error:
        raise ValueError(f"{kind}: {error}. Write it like this: {kind}: {AUDIT_KINDS[kind].grammar}") from None


def _unique(match: re.Match[str]) -> Iterator[Make]:
    columns = names(match[0])
    key = _list(columns)

    def one(table: str) -> Audit:
        sql = f"select {key}, count(*) as rows {_from(table)} group by {key} having count(*) > 1"
        apart = tuple(((table, name),) for name in columns)
        return built_in("unique", table, sql, columns, typed=tuple(("any", *way[0]) for way in apart), apart=apart)

    yield one


def _not_null(match: re.Match[str]) -> Iterator[Make]:
    if match[2]:
        return iter([_filled(match)])

    def one(column: str) -> Make:
        rule = f"{identifier(column)} is not null"

        def on(table: str) -> Audit:
            sql, typed = f"{_from(table)} where not ({rule})", (("any", table, column),)
            return built_in("not_null", table, sql, [column], rule=rule, typed=typed)

        return on

    return map(one, names(match[1]))


def _filled(match: re.Match[str]) -> Make:
    columns, percent, by = names(match[1]), match[2], names(match[3] or "")
    if len(columns) > 1 or Decimal(percent) > 100:
        raise ValueError("a share is of one column, and at most 100%")

    def one(table: str) -> Audit:
        typed = tuple(("any", table, name) for name in (*columns, *by))
        sql = seldom_filled(table, columns[0], percent, "".join(by))
        apart, key = tuple(((table, name),) for name in by), ",".join([*columns, f"at_least_{percent}", *by])
        return built_in("not_null", table, sql, columns, typed=typed, key=key, apart=apart)

    return one


def _references(match: re.Match[str]) -> Iterator[Make]:
    (column,), other, (key,) = names(match[1]), match[2].lower(), names(match[3])
    own, others = identifier(column), qualified(other)

    def one(table: str) -> Audit:
        sql = (
            f"select own.{own}, count(*) as rows from {qualified(table)} as own\n"
            f"anti join {others} as other on other.{identifier(key)} = own.{own}\n"
            f"where own.{own} is not null group by own.{own}"
        )
        typed, reads = (("alike", table, column, other, key),), tuple(sorted({table, other}))
        apart = (((table, column), (other, key)),)
        return built_in("references", table, sql, [column], reads=reads, typed=typed, apart=apart)

    yield one


def _accepted_values(match: re.Match[str]) -> Iterator[Make]:
    (column,), text, values, end = names(match[1]), match[2], [], 0
    while end < len(text):
        found = _VALUE.match(text, end)
        if found is None:
            raise ValueError(f"the values {text} are not understood from {text[end:]!r} on")
        values.append(found[1].replace("''", "'") if found[1] is not None else found[2])
        end = found.end()
    own = identifier(column)
    rule = f"{own} in ({', '.join(map(literal, values))})"

    def one(table: str) -> Audit:
        sql = f"select {own}, count(*) as rows {_from(table)} where not ({rule}) group by {own}"
        typed = (("values", table, column, *values),)
        return built_in("accepted_values", table, sql, [column], rule=rule, typed=typed)

    yield one


def _row_count(match: re.Match[str]) -> Iterator[Make]:
    least, percent, last = match[1], match[2], match[3]
    if least:
        yield lambda table: built_in(
            "row_count",
            table,
            f"select count(*) as rows {_from(table)} having count(*) < {int(least)}",
            key="at_least",
        )
        return
    number = int(last or 1)
    if not 1 <= number <= MOST_COUNTS:
        raise ValueError(f"the last {number} is outside 1 to {MOST_COUNTS} earlier counts")
    most, key = share(percent), f"last_{number}" if last else "yesterday"
    if by := names(match[4] or ""):

        def by_date(table: str) -> Audit:
            sql, typed = odd_partitions(table, by[0], most, number), (("moment", table, by[0]),)
            return built_in("row_count", table, sql, by, key=f"{key},{by[0]}", typed=typed)

        yield by_date
        return

    def one(table: str) -> Audit:
        sql = (
            f"with counted as (select count(*) as rows {_from(table)}), expected as (\n"
            f"    select avg(rows) as expected_rows from (\n"
            f"        select rows from {ROW_COUNTS}\n"
            f"        where table_name = {literal(table)} and batch_date <> getvariable('{BATCH_DATE}')\n"
            f"            and rows > 0\n"
            f"        order by run_id desc limit {number}))\n"
            f"select rows, expected_rows from counted cross join expected\n"
            f"where abs(rows - expected_rows) > {most} * expected_rows"
        )
        return built_in("row_count", table, sql, key=key, earlier=number)

    yield one


def _freshness(match: re.Match[str]) -> Iterator[Make]:
    (column,), days, least = names(match[1]), int(match[2]), match[3]
    date, night = f"{identifier(column)}::date", f"getvariable('{BATCH_DATE}')"
    # a date in the future is an error in the data, and must not hide that nothing new came
    newest = f"max({date}) filter (where {date} <= {night})"

    def one(table: str) -> Audit:
        if least:
            sql = stale_or_thin(table, date, night, days, share(least))
            return built_in("freshness", table, sql, [column], is_dated=True, typed=(("moment", table, column),))
        sql = (
            f"select {newest} as newest, {night} as batch_date {_from(table)}\n"
            f"having {newest} is null or {newest} < {night} - {days}"
        )
        return built_in("freshness", table, sql, [column], is_dated=True, typed=(("moment", table, column),))

    yield one


def _sums_to(match: re.Match[str]) -> Iterator[Make]:
    (column,), other, by = names(match[1]), match[2].lower(), names(match[4] or "")
    value = "1" if match[3] == "*" else identifier(names(match[3])[0])

    def one(table: str) -> Audit:
        sql = sums_that_differ(table, identifier(column), other, value, by)
        numbers = [(table, column)] + ([] if match[3] == "*" else [(other, names(match[3])[0])])
        typed = [("number", *place) for place in numbers] + [("alike", table, name, other, name) for name in by]
        reads, apart = tuple(sorted({table, other})), tuple(((table, name), (other, name)) for name in by)
        return built_in("sums_to", table, sql, [column], reads=reads, typed=tuple(typed), apart=apart)

    yield one


def _list(columns: Iterable[str]) -> str:
    return ", ".join(map(identifier, columns))


def _from(table: str) -> str:
    return f"from {qualified(table)}"


_TABLE = rf"({WORD}\.{WORD})"
#: Every kind by its name, which is its key in a header.
AUDIT_KINDS: Mapping[str, AuditKind] = {
    "unique": AuditKind(grammar="flight_date, origin", pattern=COLUMNS, make=_unique),
    "not_null": AuditKind(
        grammar="carrier, origin; or carrier at least 95%, or carrier at least 95% by partition",
        pattern=rf"({COLUMNS})(?:\s+at least {PERCENT}(?:\s+by\s+({COLUMN}))?)?",
        make=_not_null,
        by_partition=True,
        after_column=" ",
        of_table=True,
    ),
    "references": AuditKind(
        grammar="carrier = marts.airlines.carrier",
        pattern=rf"({COLUMN})\s*=\s*{_TABLE}\.({COLUMN})",
        make=_references,
        after_column=" = ",
    ),
    "accepted_values": AuditKind(
        grammar="origin = JFK, LGA, 'a value, with a comma'",
        pattern=rf"({COLUMN})\s*=\s*(.+)",
        make=_accepted_values,
    ),
    "row_count": AuditKind(
        grammar="within 50% of yesterday, within 30% of the last 7, within 30% of the last 7 by partition, or "
        "at least 1",
        pattern=rf"at least (\d+)|within {PERCENT} of (?:yesterday|the last (\d+))(?:\s+by\s+({COLUMN}))?",
        make=_row_count,
        by_partition=True,
        of_table=True,
    ),
    "freshness": AuditKind(
        grammar="flight_date within 2 days; or flight_date within 2 days, at least 50% of the usual rows",
        pattern=rf"({COLUMN}) within (\d+) days?(?:,\s*at least {PERCENT} of the usual rows)?",
        make=_freshness,
        is_dated=True,
        of_table=True,
    ),
    "sums_to": AuditKind(
        grammar="miles = marts.flights.miles by flight_date; the right side can be marts.flights.*, its rows",
        pattern=rf"({COLUMN})\s*=\s*{_TABLE}\.({COLUMN}|\*)(?:\s+by\s+({COLUMNS}))?",
        make=_sums_to,
        of_table=True,
    ),
    "drift": DRIFT,
}
#: The kinds, as keys of a header.
AUDIT_KEYS = tuple(AUDIT_KINDS)
