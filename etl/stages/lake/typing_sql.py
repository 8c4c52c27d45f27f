"""The SQL of extraction: texts to typed columns, and which rows keep the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from etl.contract import Column, Contract, Rule
from etl.contract.cleansing import cleaned, parsed_type, scaled
from etl.contract.clocks import ZONED, is_ambiguous, is_nonexistent, with_turns
from etl.contract.masking import masked
from etl.contract.moments import moments_of
from etl.contract.numeral_sql import flag_of
from etl.contract.numerals import flagged
from etl.contract.parse import local_time, value
from etl.contract.spelling import column_values, grouped_columns, grouping, thousands_rule
from etl.engine.quoting import identifier, literal
from etl.sources import Source
from etl.stages.lake.inputs import EXTRA, Input

#: What is wrong with a local time that is none of one instant, in the zone of [etl] timezone.
_CLOCK_RULES = (
    ("nonexistent", is_nonexistent, "does not exist: the clocks are set forward over this time on this day"),
    ("ambiguous", is_ambiguous, "comes twice: the clocks are set back to before this time on this day"),
)
#: What the names of the rules end in of which a broken one leaves no value.
UNREADABLE = (".dtype", *(f".{rule}" for rule, _, _ in _CLOCK_RULES))
#: The rule of a row whose partition column disagrees with its file.
PARTITION_RULE = "partition"


def typed(file: Input, relation: str, position: str) -> str:
    """Return a SELECT of the contract's columns as values, of the texts they came from, and of `position`."""
    source, cells = file.source, file.cells
    locals = local_columns(file)
    flags = flagged(source.contract.columns)
    values = [
        f"{_flag(flags[c.name], file) if c.name in flags else _value(c, file, locals)} as {identifier(c.name)}"
        for c in source.contract.columns
    ]
    extra = [f"{file.extra} as {EXTRA}"] if source.extra == "keep" else []
    marks = [_mark(file, column, name) for column, name in mark_columns(source).items()]
    columns = ", ".join([position, *cells.values(), *locals.values(), *values, *extra, *marks])
    return f"select {columns} from {_with_locals(file, _cleaned(file, relation))}"


def local_columns(file: Input) -> dict[str, str]:
    """Return the column of typed() with the local time, if it is one, of each instant that may be written so."""
    source, texts = file.source, file.cells.keys() - file.known
    instants = (c for c in source.contract.columns if c.type == ZONED and c.name in texts)
    found = (c.name for c in instants if moments_of(c, source.format.values).has_local)
    return {name: f"_local_{number}" for number, name in enumerate(found)}


def is_in_order(source: Source) -> bool:
    """Return whether what a record means depends on those before it, so that they are to be numbered."""
    return any(column.ambiguous == "order" for column in source.contract.columns)


def _with_locals(file: Input, relation: str) -> str:
    names = local_columns(file)
    if not names:
        return relation
    columns = {column.name: column for column in file.source.contract.columns}
    moments = {name: moments_of(columns[name], file.source.format.values) for name in names}
    times = ", ".join(f"{local_time(file.cells[name], moments[name])} as {local}" for name, local in names.items())
    turns = {local: _turn(local) for name, local in names.items() if columns[name].ambiguous == "order"}
    return with_turns(f"(select *, {times} from {relation})", turns)


def _turn(local: str) -> str:
    return local.replace("local", "turn")


def _cleaned(file: Input, relation: str) -> str:
    """Return the relation with the texts of those columns cleaned that say how."""
    clean = {c.name: c.clean for c in file.source.contract.columns if c.clean and c.name in file.cells}
    if not clean:
        return relation
    texts = (f"{cleaned(file.cells[name], how)} as {file.cells[name]}" for name, how in clean.items())
    return f"(select * replace ({', '.join(texts)}) from {relation})"


def _value(column: Column, file: Input, locals: Mapping[str, str]) -> str:
    if column.name in file.known:
        cell = file.cells[column.name]
        return cell if column.default is None else f"coalesce({cell}, {value(None, column)})"
    read = replace(column, type=parsed_type(column.clean, column.type))
    local = locals.get(column.name, "")
    turn = _turn(local) if column.ambiguous == "order" else ""
    found = value(file.cells.get(column.name), read, file.source.format.values, local, turn)
    return scaled(found, column.clean, column.type)


def _flag(column: Column, file: Input) -> str:
    if column.name not in file.cells:
        return "null::varchar"
    values = column_values(column, file.source.format.values)
    return flag_of(file.cells[column.name], column.number, column.type, values)


def mark_columns(source: Source) -> dict[str, str]:
    """Return the column of typed() that tells how a number is grouped, of each that has a thousands mark."""
    grouped = grouped_columns(source.contract, source.format.values)
    return {column: f"_mark_{number}" for number, column in enumerate(grouped)}


def mixed(source: Source, rows: str, delivery: str, file: str) -> str:
    """Return the SELECT of each delivery's rows with a number over 999 that is not grouped, by thousands_rule().

    Only those of a file count that has others with thousands marks: one of its senders may mean a decimal mark.
    """
    marks = list(mark_columns(source).values())
    counts = ", ".join(f"if(bool_or({mark} = 1), count(*) filter ({mark} = 2), 0) as {mark}" for mark in marks)
    sums = ", ".join(f"sum({mark})::bigint" for mark in marks)
    files = f"select {delivery} as _delivery, {file} as _file, {counts} from {rows} where _keeps group by all"
    return f"select _delivery, {sums} from ({files}) group by _delivery"


def mixed_counts(marks: Mapping[str, str], counts: Sequence[int]) -> dict[str, int]:
    """Return the warnings of one row of mixed()."""
    return {thousands_rule(column): count for column, count in zip(marks, counts, strict=True) if count}


def _mark(file: Input, column: str, name: str) -> str:
    if column not in file.cells:
        return f"0::utinyint as {name}"
    marks = grouped_columns(file.source.contract, file.source.format.values)
    return f"{grouping(file.cells[column], marks[column])} as {name}"


def rules(file: Input, days: str) -> list[Rule]:
    """Return the error-severity rules of a row, `column.dtype` first; `days` is the SQL of its partition."""
    source = file.source
    found = dtype_rules(file)
    if _has(source.contract, source.partition):
        sql = f"{identifier(source.partition)} is not distinct from {days}"
        message = f"{source.partition} is not the date of the file"
        found.append(Rule(PARTITION_RULE, sql, source.partition, message))
    return found + [rule for rule in source.contract.rules if rule.severity == "error"]


def readable(file: Input) -> dict[str, str]:
    """Return, for each column that has texts, the condition that a text is a value of the column's type."""
    texts = file.cells.keys() - file.known
    return {
        column.name: f"({file.cells[column.name]} is null or {identifier(column.name)} is not null)"
        for column in file.source.contract.columns
        if column.name in texts and (column.type != "VARCHAR" or column.clean)
    }


def dtype_rules(file: Input) -> list[Rule]:
    """Return the rules that a text is a value of its column's type, and if that is an instant, is one alone."""
    types, locals = {column.name: column.type for column in file.source.contract.columns}, local_columns(file)
    found: list[Rule] = []
    for name, sql in readable(file).items():
        said = f"{name} is not a {types[name]}"
        if local := locals.get(name):
            # each of the three is asked for a text without a value alone
            found.append(
                Rule(f"{name}.dtype", f"(case when {sql} then true else {local} is not null end)", name, said)
            )
            for rule, is_broken, why in _CLOCK_RULES:
                broken = f"(case when {sql} then true else not {is_broken(local)} end)"
                found.append(Rule(f"{name}.{rule}", broken, name, f"{name} {why}"))
        else:
            found.append(Rule(f"{name}.dtype", sql, name, said))
    return found


def keeps(rules: Sequence[Rule]) -> str:
    """Return the expression that is true for a row which breaks none of `rules`."""
    names = {rule.name for rule in rules}
    # what must not be null must not be null for its text either
    needed = [r for r in rules if not (_is_dtype(r) and f"{r.column}.not_nullable" in names)]
    return f"coalesce({' and '.join(f'({rule.sql})' for rule in needed)}, true)" if needed else "true"


def _is_dtype(rule: Rule) -> bool:
    return rule.name == f"{rule.column}.dtype"


def once(sql: str) -> str:
    """Return a boolean expression that DuckDB computes where it stands.

    A filter on another one is pushed below the values that it is made of, which are then all computed twice
    and more; a volatile one is not (measured on lineitem: 34 against 14 seconds of CPU time).
    """
    return f"({sql} and random() >= 0)"


def broken(rules: Sequence[Rule]) -> str:
    """Return the expression for the list of the names of the rules that a row breaks."""
    cases = ", ".join(f"case when not ({rule.sql}) then {literal(rule.name)} end" for rule in rules)
    return f"list_filter([{cases}]::varchar[], lambda name: name is not null)"


def value_names(source: Source) -> list[str]:
    """Return the columns that typed() gives beside the texts."""
    names = [column.name for column in source.contract.columns]
    return [*names, EXTRA] if source.extra == "keep" else names


def lake_columns(source: Source, day: date, file: str) -> str:
    """Return the select list of a lake partition: the contract's columns, the partition column, `_file`.

    `file` is the SQL of the file's name. What is personal is masked here, behind all rules.
    """
    columns = [f"{sql} as {identifier(name)}" for name, sql in lake_values(source).items()]
    if has_own_partition(source):
        columns.append(f"{literal(day)} as {identifier(source.partition)}")
    return ", ".join([*columns, f"{file} as _file"])


def lake_values(source: Source) -> dict[str, str]:
    """Return the SQL of what is written of each column of typed()."""
    values = {column.name: _masked(column) for column in source.contract.columns}
    return values | ({EXTRA: _masked_extra(source)} if source.extra == "keep" else {})


def has_own_partition(source: Source) -> bool:
    """Return whether the partition column is one that the contract does not have."""
    return not _has(source.contract, source.partition)


def _masked(column: Column) -> str:
    name = identifier(column.name)
    return masked(name, column) if column.pii else name


def _masked_extra(source: Source) -> str:
    """Return the SQL of the extra cells, in which those of masked columns are null.

    Such are the parts of a column's cell, and what is called like the column or one of its aliases, at any depth.
    """
    masks = [column for column in source.contract.columns if column.name in source.masks]
    names = [name for column in masks for name in (column.name, *column.aliases)]
    if not names:
        return EXTRA
    parts = [part for name in names if (part := source.format.within(name))]
    is_part = " or ".join(
        [
            *(f"starts_with(name, {literal(part)})" for part in parts),
            f"list_contains({literal(names)}, name)",
            f"list_contains({literal(names)}, regexp_extract(name, '[^./@]*$'))",
        ]
    )
    pointer = "'/' || replace(replace(name, '~', '~0'), '/', '~1')"
    cell = f"case when {is_part} then 'null' else json_extract({EXTRA}, {pointer})::varchar end"
    cells = f"list_transform(json_keys({EXTRA}), lambda name: to_json(name)::varchar || ':' || {cell})"
    is_any = f"list_bool_or(list_transform(json_keys({EXTRA}), lambda name: {is_part}))"
    return f"case when {is_any} then '{{' || array_to_string({cells}, ',') || '}}' else {EXTRA} end"


def _has(contract: Contract, name: str) -> bool:
    return any(column.name == name for column in contract.columns)
