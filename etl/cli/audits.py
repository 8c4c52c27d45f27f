"""`etl audits`: the latest result of each check, and the offending rows that were kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import click

from etl.cli.options import json_option, named, opened
from etl.cli.registry import LOOK, under
from etl.cli.screen import echo, show, show_table
from etl.contract.audit import BATCH_DATE
from etl.errors import ConfigError, closest, counted
from etl.ledger import KEPT_ROWS, Check, Ledger, witness_of

#: Why a run has audited nothing, by its outcome.
_WHY_NOT_AUDITED = {
    "": "it is under way, and has not come to its audit yet",
    "unchanged": "nothing had changed",
    "published": "an earlier one had audited what it published",
}


@under(LOOK)
@click.command()
@click.argument("name", required=False, default="", shell_complete=named("table"))
@click.option(
    "--failed", is_flag=True, help="Show only checks that found offending rows, with the first of these."
)
@json_option
def audits(name: str, failed: bool, as_json: bool) -> None:
    """Show the checks of the last audit, and what they found.

    Of the check NAME, the SELECT and the offending rows are shown. If NAME is a table, its checks are listed.
    """
    _, ledger = opened()
    checks = ledger.checks()
    if not as_json and (earlier := _earlier(ledger, checks.values())):
        echo(earlier, err=True)
    if name in checks:
        return show(_details(ledger, checks[name]), as_json, _show_check)
    found = [check for check in checks.values() if name in ("", check.table_name)]
    if name and not found:
        known = {*checks, *(check.table_name for check in checks.values())}
        close = closest(name, known)
        hint = f"Did you mean {close[0]}?" if close else "`etl audits` lists them all."
        raise ConfigError(f"The last audit has no check and no table {name}. {hint}")
    found = [check for check in found if not (failed and check.passed)]
    show(found, as_json, _show_failed if failed else _show_checks, plain=lambda: list(map(_result, found)))


def _show_failed(found: list[Check]) -> None:
    """List checks that found rows, and the first of these below."""
    _show_checks(found)
    for check in found:
        for example in check.examples:
            echo(f"{check.name}: {example}")
    if found:
        echo(f"All rows that were kept of a check: etl audits {found[0].name}")


def _show_checks(found: list[Check]) -> None:
    rows = [[c.name, c.severity, _word(c.passed, c.severity), f"{c.failing:,}"] for c in found]
    # of a check that passed, it is a note; of another, offending rows
    notes = [check.examples[0] if check.passed and check.examples else "" for check in found]
    names = ["name", "severity", "result", "failing", *(["note"] if any(notes) else [])]
    show_table(names, [[*row, note][: len(names)] for row, note in zip(rows, notes, strict=True)])


def _earlier(ledger: Ledger, checks: Collection[Check]) -> str:
    """Return that the results are those of an earlier run than the last one, if they are."""
    runs = ledger.runs()
    # a witness speaks before the audit
    audited = {check.run_id for check in checks if check.name != witness_of(check.table_name)}
    if not runs or not audited or runs[0].run_id in audited:
        return ""
    last, dates = runs[0], {run.run_id: run.batch_date for run in runs}
    of = max(audited)
    why = _WHY_NOT_AUDITED.get(last.outcome, "it ended before its audit")
    day = dates.get(of, "an unknown date")
    return f"These are of run {of} of {day}. The last run, {last.run_id}, audited nothing: {why}."


def _details(ledger: Ledger, check: Check) -> dict[str, Any]:
    query, rows = ledger.offending(check.name)
    dates = [run.batch_date for run in ledger.runs() if run.run_id == check.run_id]
    if dates and f"getvariable('{BATCH_DATE}')" in query:
        query = f"set variable {BATCH_DATE} = date '{dates[0]}';\n{query}"
    return {**_result(check), "query": query, "rows": rows}


def _result(check: Check) -> dict[str, Any]:
    return {key: value for key, value in asdict(check).items() if key != "fingerprint"}


def _show_check(found: dict[str, Any]) -> None:
    rows = found["rows"]
    echo(f"{found['name']}: {_said(found)}, in run {found['run_id']}")
    if found["query"]:
        echo(f"\n{found['query']}\n")
    if rows:
        show_table(list(rows[0]), [["" if v is None else str(v) for v in row.values()] for row in rows])
    else:
        for example in found["examples"]:
            echo(example)
    if len(rows) == KEPT_ROWS < found["failing"]:
        echo(f"... and {found['failing'] - KEPT_ROWS:,} more, which are not kept. The SELECT finds them.")


def _said(found: dict[str, Any]) -> str:
    word = _word(found["passed"], found["severity"])
    return word if found["passed"] else f"{word}, {counted(found['failing'], 'offending row')}"


def _word(passed: bool, severity: str) -> str:
    if passed:
        return "passed"
    return "failed" if severity == "error" else "warned"
