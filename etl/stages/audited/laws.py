"""The law over what was loaded: nothing lost. What was found before the audit: warnings of raw rows, witnesses."""

from __future__ import annotations

from collections.abc import Mapping

from etl.contract import PythonRule, Rule
from etl.contract.spelling import grouped_columns, thousands_rule
from etl.ledger import Check, Offending, witness_of
from etl.sources import Source
from etl.stages.audited.candidate import Candidate
from etl.stages.audited.checks import Checks, rule_asked

_MIXED = "{}: a number over 999 has no thousands mark, and others of its file have one. Is the mark right?"


def check_raw(checks: Checks, source: Source, candidate: Candidate) -> None:
    """Check that nothing of a source was lost, and take over the warnings about its rows."""
    content, table = candidate.tables[source.table], source.table
    every: list[Rule | PythonRule] = [*source.contract.rules, *source.contract.python]
    for rule in (rule for rule in every if rule.severity == "warn"):
        failing = candidate.warnings.get(source.name, {}).get(rule.name, 0)
        can_show = failing and isinstance(rule, Rule) and not _reads_masked(rule, source)
        asked = rule_asked(
            f"{table}.{rule.name}", table, "warn", rule.sql if isinstance(rule, Rule) else "", content
        )
        examples, rows = checks.rows(asked) if can_show else ([], [])
        name = checks.add(asked.name, table, "warn", failing, examples, content)
        if can_show:
            checks.offending[name] = Offending(asked.sql, rows)
    for column in grouped_columns(source.contract, source.format.values):
        name = thousands_rule(column)
        failing = candidate.warnings.get(source.name, {}).get(name, 0)
        checks.add(f"{table}.{name}", table, "warn", failing, [_MIXED.format(column)] if failing else [], content)
    _check_nothing_lost(checks, source, content)


def _check_nothing_lost(checks: Checks, source: Source, content: str) -> None:
    """Check that each line of the files is skipped or a record, and each record in the lake or in quarantine."""
    con = checks.con
    names = ("lines", "skipped", "records", "rows", "rejected", "discarded")
    totals = ", ".join(f"coalesce(sum({n}), 0)::bigint" for n in names)
    lines, skipped, records, rows, rejected, discarded = con.execute(
        f"select {totals} from etl.partitions where source = ?", [source.name]
    ).fetchall()[0]
    loaded = checks.proofs.count(source.table)
    quarantined, given_up = con.execute(
        "select count(*) - count(discarded), count(discarded) from etl.rejects where source = ?", [source.name]
    ).fetchall()[0]
    lost = abs(records - rows - rejected - discarded) + abs(loaded - rows)
    lost += abs(lines - skipped - records) + abs(rejected - quarantined) + abs(discarded - given_up)
    example = (
        f"{lines:,} lines in the files, {skipped:,} skipped, {records:,} records; "
        f"{rows:,} rows in the lake, {loaded:,} in {source.table}; "
        f"{rejected:,} rejected, {quarantined:,} in etl.rejects; "
        f"{discarded:,} discarded, {given_up:,} in etl.rejects"
    )
    checks.add(f"{source.table}.nothing_lost", source.table, "error", lost, [example] if lost else [], content)


def check_witnesses(checks: Checks, candidate: Candidate, results: Mapping[str, Check]) -> None:
    """Take over what the witness said of each model that Spark has computed, and that is still as it was then."""
    for model in candidate.models:
        found = results.get(witness_of(model))
        if found and found.passed and found.fingerprint == candidate.tables.get(model):
            checks.keep(found)


def _reads_masked(rule: Rule, source: Source) -> bool:
    """Return whether a rule was judged on values that are masked now: other rows would seem to break it."""
    return any(column.pii and column.sql in rule.sql for column in source.contract.columns)
