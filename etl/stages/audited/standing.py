"""Auditing a generation that stands: every check over all of its rows, on a copy, so that it stays as it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from etl import engine
from etl.contract.audit import PROFILES, ROW_COUNTS
from etl.errors import StepError, sentence
from etl.ledger import Check, Ledger
from etl.project import Project
from etl.project.files import copy_file, private
from etl.stages.audited.audit import check_tables, described
from etl.stages.audited.candidate import Candidate
from etl.stages.audited.checks import Checks
from etl.stages.audited.counts import RowCounts
from etl.stages.audited.laws import check_raw
from etl.stages.audited.personal import Personal
from etl.stages.audited.profiled import NightProfiles
from etl.stages.audited.proofs import Proofs
from etl.stages.warehouse import Held, columns_of, define_macros

if TYPE_CHECKING:
    import duckdb

_WARNED = "select table_name, name, failing from etl.checks where severity = 'warn' and not passed"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the checks say of a generation."""

    checks: Sequence[Check]
    #: What a message says of each check of error severity that found something, by its name.
    failed: Mapping[str, str]
    #: The checks that could be run: of another one nobody knows what it would find.
    run: Collection[str]
    #: The audits that read a table which the generation lacks.
    left_out: Sequence[str]
    #: The warnings that its own audit, on the night, found too.
    known: Collection[str]

    def passes(self, names: Collection[str]) -> bool:
        """Return whether each of these checks was run, and found nothing."""
        passed = {check.name for check in self.checks if check.passed}
        return passed.issuperset(names)


def judge(project: Project, candidate: Candidate, ledger: Ledger, run_id: str, file: Path) -> Verdict:
    """Do every check of `candidate`, which is what the project's code says now, on the file of a generation.

    What the file lacks is left out. Nothing is written but a copy, which is removed. Raises StepError for a file
    that cannot be read, or was made by an etl that notes other things.
    """
    import duckdb

    try:
        with _copied(project, file) as con:
            return _judged(con, project, candidate, ledger, run_id)
    except (duckdb.Error, OSError) as error:
        raise StepError(
            f"Generation {file.parent.name} cannot be audited: {sentence(str(error))} To see others: "
            "etl generations"
        ) from error


def _judged(
    con: duckdb.DuckDBPyConnection, project: Project, candidate: Candidate, ledger: Ledger, run_id: str
) -> Verdict:
    warned = con.execute(_WARNED).fetchall()
    candidate = _held(candidate, _contents(con), warned)
    audits = candidate.all_audits()
    checks = Checks(con, {}, run_id, Personal(candidate), Proofs(con=con, columns={}, is_trusted=False))
    row_counts = RowCounts(con=con, candidate=candidate, audits=audits, run_id=run_id)
    # those of the file: the ledger knows of later nights too
    row_counts.prepare(())
    # what made the others is not published with them
    con.execute("create table if not exists etl._macros (name varchar, sql varchar)")
    define_macros(con, candidate.macros.items(), project.variables)
    limit = project.settings.profiled_parts
    profiles = _PublishedProfiles(
        con=con, candidate=candidate, audits=audits, run_id=run_id, limit=limit, ledger=ledger
    )
    check_tables(checks, project, candidate, audits, row_counts, profiles)
    for source in candidate.sources:
        check_raw(checks, source, candidate)
    failed = [check for check in checks.done if not check.passed and check.severity == "error"]
    return Verdict(
        checks=checks.done,
        failed={check.name: described(check, candidate, audits) for check in failed},
        run=frozenset(checks.offending),
        left_out=candidate.left_out,
        known=frozenset(name for _, name, _ in warned),
    )


def _contents(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return every table and view, with the content that its newest count has, which is that of this file."""
    counted: dict[str, str] = {}
    if _has(con, ROW_COUNTS):
        query = f"select table_name, max_by(fingerprint, run_id) from {ROW_COUNTS} group by table_name"
        counted = dict(con.execute(query).fetchall())
    return {table: counted.get(table, "published") for table in columns_of(con)}


class _PublishedProfiles(NightProfiles):
    """The profiles that a published file has: nobody takes others of it."""

    @cached_property
    def _tables(self) -> dict[str, list[Held]]:
        if not _has(self.con, PROFILES):
            return {}
        query = f"select distinct table_name from {PROFILES}"
        return {table: [] for (table,) in self.con.execute(query).fetchall()}


def _has(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    query = (
        "select count(*) > 0 from duckdb_tables() "
        "where database_name = current_database() and schema_name || '.' || table_name = ?"
    )
    return bool(con.execute(query, [table]).fetchall()[0][0])


def _held(candidate: Candidate, held: Mapping[str, str], warned: Sequence[tuple[str, str, int]]) -> Candidate:
    """Return of a candidate what a file holds; `warned` are table, name and rows of the warnings on its night."""
    sources = [source for source in candidate.sources if source.table in held]
    known = {*(source.table for source in candidate.sources), *candidate.models}
    warnings = {
        source.name: {name.removeprefix(f"{t}."): rows for t, name, rows in warned if t == source.table}
        for source in sources
    }
    return replace(
        candidate,
        sources=sources,
        contracts={table: contract for table, contract in candidate.contracts.items() if table in held},
        tables=held,
        warnings=warnings,
        absent=known - held.keys(),
    )


@contextmanager
def _copied(project: Project, file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a copy of a generation's file as a build is open; what a check makes in it goes with it."""
    copy = private(project.scratch) / "audited.duckdb"
    log = copy.with_name(f"{copy.name}.wal")
    log.unlink(missing_ok=True)
    copy.unlink(missing_ok=True)
    try:
        copy_file(file, copy)
        with engine.in_memory(project) as con:
            engine.attach_new(project, con, copy, engine.BUILD)
            con.execute(f"use {engine.BUILD}")
            engine.show_beside(con, file)
            yield con
            con.execute("use memory")
            con.execute(f"detach {engine.BUILD}")
    finally:
        log.unlink(missing_ok=True)
        copy.unlink(missing_ok=True)
