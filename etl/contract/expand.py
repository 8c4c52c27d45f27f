"""Columns that are known by a pattern: one contract column for every column of a table that it matches."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from etl.contract.contract import Column, Contract, PythonRule, Rule, Unique
from etl.engine.quoting import identifier


def expanded(contract: Contract, names: Sequence[str]) -> Contract:
    """The contract of a table that has columns of these names, without patterns.

    A pattern matches from the start of a name, as `re.match` does. One that matches nothing stays as a
    column of that name, so that it is missing if it is required.
    """
    if not any(column.regex for column in contract.columns):
        return contract
    matches = {column.name: _matches(column, names, contract) for column in contract.columns}
    return replace(
        contract,
        columns=tuple(column for own in contract.columns for column in _columns(own, matches[own.name])),
        rules=tuple(rule for own in contract.rules for rule in _rules(own, contract, matches)),
        uniques=tuple(unique for own in contract.uniques for unique in _uniques(own, contract, matches)),
        python=tuple(rule for own in contract.python for rule in _python(own, matches)),
    )


def _matches(column: Column, names: Iterable[str], contract: Contract) -> list[str]:
    if not column.regex:
        return [column.name]
    plain = {own.name for own in contract.columns if not own.regex}
    return [name for name in names if name not in plain and re.match(column.name, name)]


def _columns(column: Column, names: Sequence[str]) -> Iterator[Column]:
    for name in names or [column.name]:
        yield replace(column, name=name, regex=False)


def _rules(rule: Rule, contract: Contract, matches: dict[str, list[str]]) -> Iterator[Rule]:
    if rule.column is None or not (column := contract.column(rule.column)).regex:
        yield rule
        return
    for name in matches[rule.column]:
        sql = rule.sql.replace(column.sql, identifier(name))
        yield replace(rule, name=name + rule.name.removeprefix(rule.column), sql=sql, column=name)


def _uniques(unique: Unique, contract: Contract, matches: dict[str, list[str]]) -> Iterator[Unique]:
    if len(unique.columns) > 1 or not contract.column(unique.columns[0]).regex:
        yield unique
        return
    for name in matches[unique.columns[0]]:
        yield replace(unique, name=f"{name}.unique", columns=(name,))


def _python(rule: PythonRule, matches: dict[str, list[str]]) -> Iterator[PythonRule]:
    if rule.column is None or matches[rule.column] == [rule.column]:
        yield rule
        return
    for name in matches[rule.column]:
        own = name + rule.name.removeprefix(rule.column)
        yield replace(rule, name=own, column=name, columns=(name,))
