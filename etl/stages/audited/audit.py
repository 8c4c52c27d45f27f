"""Auditing a candidate: every check, what they found into build.duckdb and the ledger, and the verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from etl.contract.audit import Audit
from etl.errors import AuditError, StepError, counted, few, sentence
from etl.ledger import Check, Ledger, Receipt, fingerprint
from etl.ledger.keys import AUDIT, load_key, transform_key
from etl.project import Project
from etl.stages.audited.candidate import Candidate
from etl.stages.audited.checks import Asked, Checks
from etl.stages.audited.contracts import check_contract
from etl.stages.audited.counts import RowCounts
from etl.stages.audited.laws import check_raw, check_witnesses
from etl.stages.audited.personal import Personal
from etl.stages.audited.profiled import NightProfiles
from etl.stages.audited.proofs import Proofs
from etl.stages.warehouse import (
    contents,
    define_macros,
    drop_other_macros,
    open_build,
    remove_obsolete,
    scrub,
    tidy_parts,
    transaction,
)

if TYPE_CHECKING:
    import duckdb


def audit(project: Project, candidate: Candidate, ledger: Ledger, run_id: str, content: str) -> Receipt:
    """Check the candidate and return the receipt, which is written; every result is in etl.checks.

    A check whose tables are unchanged since it passed is not repeated. Raises AuditError that names every
    error-severity check that found offending rows, with examples; warnings are only recorded. Up to
    KEPT_ROWS offending rows of each check are in the ledger.
    """
    started = perf_counter()
    audits = candidate.all_audits()
    with open_build(project, ledger, run_id) as con:
        remove_obsolete(con, [s.name for s in candidate.sources], candidate.models)
        _profiles(con, project, candidate, audits, ledger, run_id).clean()
        # what was purged is to be in no file any more
        tidy_parts(con, project)
    # before anything is copied from the file: a failed candidate is set aside as it is
    scrub(project, ledger, run_id)
    with open_build(project, ledger, run_id) as con:
        _check_complete(con, candidate, ledger)
        before = ledger.checks() if candidate.is_build_trusted else {}
        proofs = Proofs(con=con, columns=candidate.by_partition, is_trusted=candidate.is_build_trusted)
        checks = Checks(con, before, run_id, Personal(candidate), proofs)
        row_counts = RowCounts(con=con, candidate=candidate, audits=audits, run_id=run_id)
        row_counts.prepare(ledger.row_counts())
        with transaction(con):
            drop_other_macros(con, candidate.macros)
            define_macros(con, candidate.macros.items(), project.variables)
        profiles = _profiles(con, project, candidate, audits, ledger, run_id)
        profiles.take()
        check_tables(checks, project, candidate, audits, row_counts, profiles)
        for source in candidate.sources:
            check_raw(checks, source, candidate)
        check_witnesses(checks, candidate, ledger.checks())
        failed = [check for check in checks.done if not check.passed and check.severity == "error"]
        row_counts.record(ledger, has_passed=not failed)
        profiles.record(has_passed=not failed)
        with transaction(con):
            _store(con, checks.done)
            proofs.keep()
    ledger.replace_checks(checks.done, checks.offending)
    if failed:
        raise AuditError("\n".join(described(check, candidate, audits) for check in failed))
    receipt = Receipt(AUDIT, content, run_id, seconds=perf_counter() - started)
    ledger.write(receipt)
    return receipt


def _profiles(
    con: duckdb.DuckDBPyConnection,
    project: Project,
    candidate: Candidate,
    audits: Sequence[Audit],
    ledger: Ledger,
    run_id: str,
) -> NightProfiles:
    limit = project.settings.profiled_parts
    return NightProfiles(con=con, candidate=candidate, audits=audits, run_id=run_id, limit=limit, ledger=ledger)


def check_tables(
    checks: Checks,
    project: Project,
    candidate: Candidate,
    audits: Sequence[Audit],
    row_counts: RowCounts,
    profiles: NightProfiles,
) -> None:
    """Check contracts and audits; what is a condition on a table's rows is in the scan of its contract."""
    by_row: dict[str, list[Asked]] = defaultdict(list)
    for item in audits:
        if item.rule:
            by_row[item.table].append(_asked(item, candidate))
    for table, contract in candidate.contracts.items():
        more = by_row.pop(table, [])
        check_contract(checks, project.contracts, table, contract, candidate.tables[table], more)
    for table, asked in by_row.items():
        checks.scan(table, asked, checks.proofs.rows_of(table, [one.meant for one in asked]))
    for item in (item for item in audits if not item.rule):
        one = _asked(item, candidate)
        if hindrance := profiles.hindrance(item):
            checks.refuse(one.name, one.table, StepError(hindrance), one.content, one.reads)
        else:
            checks.query(one, partial(_note, item, row_counts, profiles))


def _note(item: Audit, row_counts: RowCounts, profiles: NightProfiles) -> str:
    return row_counts.note(item) or profiles.note(item)


def _asked(item: Audit, candidate: Candidate) -> Asked:
    tables = {name: candidate.tables[name] for name in item.reads}
    night = [str(candidate.batch_date)] if item.is_dated else []
    content = fingerprint([item.normal, tables, *night], item.severity)
    table = item.table or ", ".join(item.reads[:1])
    return Asked(
        name=item.name,
        table=table,
        severity=item.severity,
        sql=item.sql,
        content=content,
        reads=item.reads,
        rule=item.rule,
        judged=item.columns,
        ways=item.apart,
    )


def _check_complete(con: duckdb.DuckDBPyConnection, candidate: Candidate, ledger: Ledger) -> None:
    """Raise if a table is not the one that was planned, whatever the receipts say; they are dropped."""
    held = contents(con)
    wrong = [name for name, content in candidate.tables.items() if held.get(name) != content]
    if wrong:
        ledger.forget(load_key(name.removeprefix("raw.")) for name in wrong)
        ledger.forget(transform_key(name) for name in wrong)
        names = ", ".join(wrong)
        raise AuditError(f"build.duckdb does not hold {names} as planned. Run again to rebuild them.")


def _store(con: duckdb.DuckDBPyConnection, checks: Sequence[Check]) -> None:
    con.execute("delete from etl.checks")
    rows = [(c.name, c.table_name, c.severity, c.passed, c.failing, c.examples, c.run_id) for c in checks]
    if rows:
        # row by row it takes twenty times as long
        con.execute(
            "insert into etl.checks select unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), "
            "unnest($6::varchar[][]), unnest($7)",
            [list(column) for column in zip(*rows, strict=True)],
        )


def described(check: Check, candidate: Candidate, audits: Sequence[Audit]) -> str:
    """Return what a message says of a check that failed, with examples."""
    item = next((audit for audit in audits if audit.name == check.name), None)
    why = f": {item.why} ({item.place})" if item else ""
    rows = counted(check.failing, "offending row")
    lines = [sentence(f"{check.name} found {rows} in {check.table_name}{why}")]
    lines += [f"    {example}" for example in check.examples]
    reads = item.reads if item else (check.table_name,)
    arrivals = sorted({text for table in reads for text in candidate.arrivals.get(table, ())})
    if arrivals:
        lines.append(f"    new since it was last published: {few(arrivals, 3, '; ')}")
    return "\n".join(lines)
