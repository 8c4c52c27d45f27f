"""The contract of a built table, and the audits of its rows: columns, then all conditions in one scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from etl.contract import Contract, PythonRule, Rule, Unique
from etl.contract.expand import expanded
from etl.engine.quoting import qualified
from etl.errors import ContractError, StepError
from etl.ledger import fingerprint
from etl.stages.audited.checks import Asked, Checks, rule_asked
from etl.stages.audited.proofs import Parts
from etl.stages.warehouse import describe


def check_contract(
    checks: Checks, contracts: Path, table: str, contract: Contract, content: str, more: Sequence[Asked]
) -> None:
    """Check a table's contract, and the audits in `more`, which have a rule, in the same scan.

    `contracts` is the contracts folder, where the functions of rules in Python are.
    """
    con = checks.con
    columns = [(row[0], row[1]) for row in con.execute(f"describe {qualified(table)}").fetchall()]
    key = fingerprint(contract.to_dict(), content)
    contract = expanded(contract, [name for name, _ in columns])
    describe(con, table, contract)
    problems = contract.structure_problems(columns)
    for problem in problems:
        checks.add(f"{table}.{problem.column}.{problem.rule}", table, "error", 1, [problem.message], key)
    missing = {column.name for column in contract.columns} - {name for name, _ in columns}
    wrong = missing | {problem.column for problem in problems}
    python = [rule for rule in contract.python if not wrong & set(rule.columns)]
    rules = [_asked(rule, table, key) for rule in contract.rules if rule.column not in missing]
    parts = checks.proofs.rows_of(table, [*(one.meant for one in (*rules, *more)), *map(_code, python)])
    rules += [
        _asked(found, table, key, _code(rule))
        for rule in python
        if not checks.known(f"{table}.{rule.name}", key)
        for found in _prepared(checks, contracts, table, replace(contract, python=(rule,)), key, parts)
    ]
    checks.scan(table, [*rules, *more], parts)
    for unique in contract.uniques:
        if not missing & set(unique.columns):
            checks.query(_unique_asked(unique, table, contract, key))


def _asked(rule: Rule, table: str, content: str, code: str = "") -> Asked:
    return rule_asked(f"{table}.{rule.name}", table, rule.severity, rule.sql, content, code)


def _code(rule: PythonRule) -> str:
    return fingerprint(asdict(rule))


def _unique_asked(unique: Unique, table: str, contract: Contract, content: str) -> Asked:
    names = ", ".join(contract.key(unique))
    sql = f"select {names}, count(*) as rows from {qualified(table)} group by {names} having count(*) > 1"
    name = f"{table}.{unique.name}"
    return Asked(
        name=name,
        table=table,
        severity=unique.severity,
        sql=sql,
        content=content,
        reads=(table,),
        judged=unique.columns,
        ways=tuple(((table, column),) for column in unique.columns),
    )


def _prepared(
    checks: Checks, contracts: Path, table: str, contract: Contract, content: str, parts: Parts | None
) -> Sequence[Rule]:
    """Return a Python rule of a contract as SQL; what cannot be run is a failed check.

    With `parts` it is judged on the stale ones alone, and on those of which it is known that rows break it.
    """
    import duckdb

    from etl.contract.python_rules import prepare

    (rule,) = contract.python
    relation = f"from {qualified(table)}"
    if parts:
        where = parts.where_judged(_code(rule))
        if where == "false":
            return [Rule(rule.name, "true", rule.column, rule.message, severity=rule.severity)]
        try:
            return prepare(checks.con, contract, contracts, f"{relation} where {where}")
        except (StepError, ContractError, duckdb.Error):
            # what is wrong is told by the look at all rows
            pass
    try:
        return prepare(checks.con, contract, contracts, relation)
    except (StepError, ContractError, duckdb.Error) as error:
        checks.refuse(f"{table}.{rule.name}", table, error, content, (table,))
        return []
