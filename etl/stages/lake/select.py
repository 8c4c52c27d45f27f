"""The SQL of extraction: texts to typed columns, and which rows keep the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from etl.contract import Contract, Rule, Source
from etl.contract.parse import parsed
from etl.quoting import identifier, literal

#: The rule of a row whose partition column disagrees with its file.
PARTITION_RULE = "partition"


@dataclass(frozen=True)
class Texts:
    """A relation of raw cells: `_text_0` ... in the order of the file's `columns`, and `file_index`."""

    relation: str
    columns: Sequence[str]


def text_names(columns: Sequence[str]) -> list[str]:
    """Return what the cells are called before they are values: no header can collide with these names."""
    return [f"_text_{position}" for position in range(len(columns))]


def typed(source: Source, texts: Texts, extra: str = "file_index") -> str:
    """Return a SELECT of the contract's columns as values, and of the texts they came from."""
    cells = dict(zip(texts.columns, text_names(texts.columns), strict=True))
    values = [
        f"{parsed(cells[column.name], column.type) if column.name in cells else f'null::{column.type}'}"
        f" as {identifier(column.name)}"
        for column in source.contract.columns
    ]
    return f"select {', '.join([extra, *cells.values(), *values])} from {texts.relation}"


def rules(source: Source, columns: Sequence[str], dates: Sequence[date]) -> list[Rule]:
    """Return the error-severity rules of a row, `column.dtype` first; `dates` by `file_index`."""
    found = dtype_rules(source, columns)
    if _has(source.contract, source.partition):
        days = f"({literal(list(dates))})[(file_index + 1)::bigint]"
        sql = f"{identifier(source.partition)} is not distinct from {days}"
        message = f"{source.partition} is not the date of the file"
        found.append(Rule(PARTITION_RULE, sql, source.partition, message))
    return found + [rule for rule in source.contract.rules if rule.severity == "error"]


def dtype_rules(source: Source, columns: Sequence[str]) -> list[Rule]:
    """Return the rules that a text is a value of its column's type."""
    present = dict(zip(columns, text_names(columns), strict=True))
    return [
        Rule(
            f"{column.name}.dtype",
            f"({present[column.name]} is null or {identifier(column.name)} is not null)",
            column.name,
            f"{column.name} is not a {column.type}",
        )
        for column in source.contract.columns
        if column.name in present and column.type != "VARCHAR"
    ]


def keeps(rules: Sequence[Rule]) -> str:
    """Return the expression that is true for a row which breaks none of `rules`."""
    return " and ".join(f"coalesce({rule.sql}, true)" for rule in rules) or "true"


def broken(rules: Sequence[Rule]) -> str:
    """Return the expression for the list of the names of the rules that a row breaks."""
    cases = ", ".join(f"case when not ({rule.sql}) then {literal(rule.name)} end" for rule in rules)
    return f"list_filter([{cases}]::varchar[], lambda name: name is not null)"


def lake_columns(source: Source, day: date, file: str) -> str:
    """Return the select list of a lake partition: the contract's columns, the partition column, `_file`."""
    names = [identifier(column.name) for column in source.contract.columns]
    if not _has(source.contract, source.partition):
        names.append(f"{literal(day)} as {identifier(source.partition)}")
    return ", ".join([*names, f"{literal(file)} as _file"])


def _has(contract: Contract, name: str) -> bool:
    return any(column.name == name for column in contract.columns)
