"""audited: the candidate keeps its contracts, passes sql/audits, and obeys the laws, or is not published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from etl.contract import Contract, PythonRule, Rule, Source
from etl.contract.expand import expanded
from etl.errors import AuditError, ContractError, StepError, counted
from etl.keys import AUDIT, load_key, transform_key
from etl.ledger import Check, Ledger, Receipt, fingerprint
from etl.models import Audit
from etl.project import Project
from etl.quoting import qualified
from etl.stages.warehouse import contents, describe, open_build, remove_obsolete

if TYPE_CHECKING:
    import duckdb

_EXAMPLES = 3
_EXAMPLE_CHARACTERS = 300


@dataclass(frozen=True)
class Candidate:
    """What build.duckdb should hold: fingerprints by table, and what arrived tonight by table."""

    sources: Sequence[Source]
    contracts: Mapping[str, Contract]
    audits: Sequence[Audit]
    models: Sequence[str]
    tables: Mapping[str, str]
    arrivals: Mapping[str, Sequence[str]]
    #: Rows that break a warn-severity rule of a raw contract, counted when they were extracted.
    warnings: Mapping[str, Mapping[str, int]]
    #: Whether what passed before can be taken over: nobody but etl wrote to build.duckdb since.
    is_build_trusted: bool = True


def audit(project: Project, candidate: Candidate, ledger: Ledger, run_id: str, content: str) -> Receipt:
    """Check the candidate and return the receipt, which is written; every result is in etl.checks.

    A check whose tables are unchanged since it passed is not repeated. Raises AuditError that names every
    error-severity check that found offending rows, with examples; warnings are only recorded.
    """
    started = perf_counter()
    with open_build(project, ledger, run_id) as con:
        remove_obsolete(con, [s.name for s in candidate.sources], candidate.models)
        _check_complete(con, candidate, ledger)
        checks = _Checks(con, ledger.checks() if candidate.is_build_trusted else {}, run_id)
        for table, contract in candidate.contracts.items():
            _check_contract(checks, project.contracts, table, contract, candidate.tables[table])
        for item in candidate.audits:
            tables = {name: candidate.tables[name] for name in item.reads}
            checks.query(item.name, ", ".join(item.reads[:1]), item.severity, item.sql, [item.normal, tables])
        for source in candidate.sources:
            _check_raw(checks, con, source, candidate)
        _store(con, checks.done)
    ledger.replace_checks(checks.done)
    failed = [check for check in checks.done if not check.passed and check.severity == "error"]
    if failed:
        raise AuditError("\n".join(_described(check, candidate) for check in failed))
    receipt = Receipt(AUDIT, content, run_id, seconds=perf_counter() - started)
    ledger.write(receipt)
    return receipt


class _Checks:
    """The checks done so far; one that passed before on the same content is taken over."""

    def __init__(self, con: duckdb.DuckDBPyConnection, before: Mapping[str, Check], run_id: str) -> None:
        self.con, self.before, self.run_id = con, before, run_id
        self.done: list[Check] = []

    def known(self, name: str, content: str) -> bool:
        """Take over the earlier result of a check, if it passed on this content."""
        earlier = self.before.get(name)
        if earlier is None or earlier.fingerprint != content or not earlier.passed:
            return False
        self.done.append(earlier)
        return True

    def add(
        self, name: str, table: str, severity: str, failing: int, examples: Sequence[str], content: str
    ) -> None:
        names = {check.name for check in self.done}
        while name in names:
            name += "'"
        check = Check(name, table, severity, failing == 0, failing, list(examples), self.run_id, content)
        self.done.append(check)

    def query(self, name: str, table: str, severity: str, sql: str, parts: object) -> None:
        """Run a SELECT of offending rows."""
        import duckdb

        content = fingerprint(parts, severity)
        if self.known(name, content):
            return
        try:
            failing = self.con.execute(f"select count(*) from (\n{sql}\n)").fetchall()[0][0]
            examples = _examples(self.con, f"(\n{sql}\n)") if failing else []
        except duckdb.Error as error:
            self.add_refused(name, table, error, content)
        else:
            self.add(name, table, severity, failing, examples, content)

    def add_refused(self, name: str, table: str, error: Exception, content: str) -> None:
        """Take a check that DuckDB cannot run for a failed one, whatever its severity."""
        self.add(name, table, "error", 1, [f"it cannot be run: {error}"[:_EXAMPLE_CHARACTERS]], content)


def _check_complete(con: duckdb.DuckDBPyConnection, candidate: Candidate, ledger: Ledger) -> None:
    """Raise if a table is not the one that was planned, whatever the receipts say; they are dropped."""
    held = contents(con)
    wrong = [name for name, content in candidate.tables.items() if held.get(name) != content]
    if wrong:
        ledger.forget(load_key(name.removeprefix("raw.")) for name in wrong)
        ledger.forget(transform_key(name) for name in wrong)
        names = ", ".join(wrong)
        raise AuditError(f"build.duckdb does not hold {names} as planned; run again to build them anew.")


def _check_contract(checks: _Checks, contracts: Path, table: str, contract: Contract, content: str) -> None:
    con = checks.con
    columns = [(row[0], row[1]) for row in con.execute(f"describe {qualified(table)}").fetchall()]
    key = fingerprint(contract.to_dict(), content)
    contract = expanded(contract, [name for name, _ in columns])
    describe(con, table, contract)
    problems = contract.structure_problems(columns)
    for problem in problems:
        checks.add(f"{table}.{problem.column}.{problem.rule}", table, "error", 1, [problem.message], key)
    present = {name for name, _ in columns}
    missing = {column.name for column in contract.columns} - present
    rules = [rule for rule in contract.rules if rule.column not in missing]
    rules = [rule for rule in rules if not checks.known(f"{table}.{rule.name}", key)]
    wrong = missing | {problem.column for problem in problems}
    rules += [
        found
        for rule in contract.python
        if not wrong & set(rule.columns) and not checks.known(f"{table}.{rule.name}", key)
        for found in _prepared(checks, contracts, table, replace(contract, python=(rule,)), key)
    ]
    _check_rules(checks, con, table, rules, key)
    for unique in contract.uniques:
        if not missing & set(unique.columns):
            names = ", ".join(contract.key(unique))
            sql = f"select {names}, count(*) as rows from {qualified(table)} group by {names} having count(*) > 1"
            checks.query(f"{table}.{unique.name}", table, unique.severity, sql, key)


def _prepared(checks: _Checks, contracts: Path, table: str, contract: Contract, content: str) -> Sequence[Rule]:
    """Return a contract's Python rules as SQL; what cannot be run is a failed check."""
    import duckdb

    from etl.contract.python_rules import prepare

    try:
        return prepare(checks.con, contract, contracts, f"from {qualified(table)}")
    except (StepError, ContractError, duckdb.Error) as error:
        for rule in contract.python:
            checks.add_refused(f"{table}.{rule.name}", table, error, content)
        return []


def _check_rules(
    checks: _Checks, con: duckdb.DuckDBPyConnection, table: str, rules: Sequence[Rule], content: str
) -> None:
    """Check rules in one scan; or one by one, if DuckDB cannot run one of them on such a table."""
    import duckdb

    try:
        counts = _count(con, table, rules)
    except duckdb.Error as error:
        if len(rules) == 1:
            checks.add_refused(f"{table}.{rules[0].name}", table, error, content)
        else:
            for rule in rules:
                _check_rules(checks, con, table, [rule], content)
        return
    for rule, failing in zip(rules, counts, strict=True):
        examples = _examples(con, f"{qualified(table)} where not ({rule.sql})") if failing else []
        checks.add(f"{table}.{rule.name}", table, rule.severity, failing, examples, content)


def _count(con: duckdb.DuckDBPyConnection, table: str, rules: Sequence[Rule]) -> Sequence[int]:
    """Return how many rows break each rule."""
    if not rules:
        return []
    counts = ", ".join(f"count(*) filter (not ({rule.sql}))" for rule in rules)
    return [int(n) for n in con.execute(f"select {counts} from {qualified(table)}").fetchall()[0]]


def _check_raw(checks: _Checks, con: duckdb.DuckDBPyConnection, source: Source, candidate: Candidate) -> None:
    content = candidate.tables[source.table]
    every: list[Rule | PythonRule] = [*source.contract.rules, *source.contract.python]
    for rule in (rule for rule in every if rule.severity == "warn"):
        failing = candidate.warnings.get(source.name, {}).get(rule.name, 0)
        examples = []
        if failing and isinstance(rule, Rule) and not _reads_masked(rule, source):
            examples = _examples(con, f"{qualified(source.table)} where not ({rule.sql})")
        checks.add(f"{source.table}.{rule.name}", source.table, "warn", failing, examples, content)
    _check_nothing_lost(checks, con, source, content)


def _check_nothing_lost(checks: _Checks, con: duckdb.DuckDBPyConnection, source: Source, content: str) -> None:
    """Check that the records of the files are the rows of the lake and those in quarantine, and all are loaded."""
    totals = ", ".join(f"coalesce(sum({n}), 0)::bigint" for n in ("records", "rows", "rejected", "discarded"))
    records, rows, rejected, discarded = con.execute(
        f"select {totals} from etl.partitions where source = ?", [source.name]
    ).fetchall()[0]
    loaded = con.execute(f"select count(*) from {qualified(source.table)}").fetchall()[0][0]
    quarantined, given_up = con.execute(
        "select count(*) - count(discarded), count(discarded) from etl.rejects where source = ?", [source.name]
    ).fetchall()[0]
    lost = abs(records - rows - rejected - discarded) + abs(loaded - rows)
    lost += abs(rejected - quarantined) + abs(discarded - given_up)
    example = (
        f"{records:,} records in the files; {rows:,} rows in the lake, {loaded:,} in {source.table}; "
        f"{rejected:,} rejected, {quarantined:,} in etl.rejects; "
        f"{discarded:,} discarded, {given_up:,} in etl.rejects"
    )
    checks.add(f"{source.table}.nothing_lost", source.table, "error", lost, [example] if lost else [], content)


def _reads_masked(rule: Rule, source: Source) -> bool:
    """Tell whether a rule was judged on values that are masked now: other rows would seem to break it."""
    return any(column.pii and column.sql in rule.sql for column in source.contract.columns)


def _examples(con: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    cursor = con.execute(f"select columns(*)::varchar from {relation} limit {_EXAMPLES}")
    names = [column[0] for column in cursor.description]
    rows = [", ".join(f"{n} = {v}" for n, v in zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [row[:_EXAMPLE_CHARACTERS] for row in rows]


def _store(con: duckdb.DuckDBPyConnection, checks: Sequence[Check]) -> None:
    con.execute("begin; delete from etl.checks")
    if checks:
        con.executemany(
            "insert into etl.checks values (?, ?, ?, ?, ?, ?, ?)",
            [[c.name, c.table_name, c.severity, c.passed, c.failing, c.examples, c.run_id] for c in checks],
        )
    con.execute("commit")


def _described(check: Check, candidate: Candidate) -> str:
    why = next((f": {audit.why}" for audit in candidate.audits if audit.name == check.name), "")
    where = next((f" ({audit.file})" for audit in candidate.audits if audit.name == check.name), "")
    rows = counted(check.failing, "offending row")
    lines = [f"{check.name} found {rows} in {check.table_name}{why}{where}"]
    lines += [f"    {example}" for example in check.examples]
    reads = next((a.reads for a in candidate.audits if a.name == check.name), (check.table_name,))
    arrivals = sorted({text for table in reads for text in candidate.arrivals.get(table, ())})
    if arrivals:
        more = f" and {len(arrivals) - 3} more" if len(arrivals) > 3 else ""
        lines.append(f"    new since it was last published: {'; '.join(arrivals[:3])}{more}")
    return "\n".join(lines)
