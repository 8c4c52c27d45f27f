"""Tables, columns, checks and sources for the pages of the report; short keys, since there are thousands.

A table is its name (`n`), kind, description, owner, tags, file, SQL, partition, what it reads (`r`), whether it is
exported (`x`), its columns, its state, and how it was last built (`b`). A column is its name, type, description,
unit, how it is masked, and its profile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from etl.contract import Rule
from etl.contract.contract import PythonRule
from etl.ledger import FAILED, Ledger, Receipt, Run
from etl.ledger.history import History, StepRow
from etl.ledger.keys import load_key, transform_key
from etl.models import Model, Models
from etl.sources import Catalog, Source
from etl.stages.published.notes import Notes, declared_notes

#: What a table is to be marked as: the last run rebuilt it, it waits to be built, or building it failed.
CHANGED, STALE, BROKEN = "changed", "stale", "failed"

Table = dict[str, Any]


def tables(
    catalog: Catalog, models: Models, ledger: Ledger, last: Run | None, profiles: Mapping[str, Mapping[str, Any]]
) -> list[Table]:
    """Return the raw tables and the models, each after what it reads; `profiles` are by table and column."""
    receipts, notes = ledger.receipts(), declared_notes(catalog, models)
    failing = _failing(ledger, models, last)
    found = []
    for source in catalog.sources.values():
        columns = _columns(source.columns.items(), notes[source.table], profiles.get(source.table, {}))
        found.append(_raw(source, notes[source.table], columns, _state(receipts.get(load_key(source.name)), last)))
    for model in models.models.values():
        columns = _columns(model.stored, notes[model.name], profiles.get(model.name, {}))
        found.append(
            _model(model, notes[model.name], columns, _state(receipts.get(transform_key(model.name)), last))
        )
    for table in found:
        if table["n"] in failing:
            table["state"] = BROKEN
    return found


def _failing(ledger: Ledger, models: Models, last: Run | None) -> set[str]:
    """Return the tables that a check fails for, and those that the last run could not build."""
    found: set[str] = set()
    for check in ledger.checks().values():
        if not check.passed and check.severity == "error":
            audit = models.audits.get(check.name)
            found |= {check.table_name} if check.table_name or not audit else set(audit.reads)
    steps = History(ledger).steps([last.run_id]) if last else ()
    return found | {table_of(row) for row in steps if row.outcome == FAILED}


def table_of(row: StepRow) -> str:
    """Return the table that a step was done to; nothing for one that is done to all."""
    return f"raw.{row.name}" if row.step in ("extract", "load") else row.name


def _raw(source: Source, notes: Notes, columns: list[list[Any]], state: dict[str, Any]) -> Table:
    return {
        **{"n": source.table, "k": "source", "d": notes.description, "o": "", "t": [], "f": source.declared},
        **{"s": "", "p": source.partition if source.has_dates else "", "r": [], "x": 0},
        **{"place": str(source.connector.place), "c": columns},
        **state,
    }


def _model(model: Model, notes: Notes, columns: list[list[Any]], state: dict[str, Any]) -> Table:
    header = model.header
    return {
        **{"n": model.name, "k": model.materialized, "f": model.file, "d": notes.description, "o": notes.owner},
        **{"t": list(header.tags), "s": model.sql, "p": header.partition, "r": list(model.reads)},
        **{"x": int(bool(header.export)), "c": columns},
        **state,
    }


def _columns(columns: Iterable[tuple[str, str]], notes: Notes, profiles: Mapping[str, Any]) -> list[list[Any]]:
    """Return columns as the page reads them, each without what it lacks at its end."""
    found = []
    for name, type in columns:
        said = notes.columns.get(name, {})
        column = [name, type, *(said.get(kind, "") for kind in ("description", "unit", "pii")), profiles.get(name)]
        while len(column) > 2 and not column[-1]:
            column.pop()
        found.append(column)
    return found


def _state(receipt: Receipt | None, last: Run | None) -> dict[str, Any]:
    """Return how a table was last built, and what it is to be marked as."""
    if receipt is None:
        return {"state": STALE, "b": None}
    facts = receipt.details
    is_new = last is not None and receipt.run_id == last.run_id and facts.get("built", True)
    state = BROKEN if receipt.outcome == FAILED else CHANGED if is_new else ""
    built = {"run": receipt.run_id, "at": receipt.finished_at, "seconds": round(receipt.seconds, 3)}
    return {
        "state": state,
        "b": {**built, "rows": facts.get("rows"), "why": facts.get("why", ""), "full": facts.get("in_full", "")},
    }


def checks(
    catalog: Catalog, models: Models, ledger: Ledger, trends: Mapping[str, list[list[int]]]
) -> list[dict[str, Any]]:
    """Return every check with its latest result, what it is for, and its trend: run and number of rows."""
    why = dict(_promises(catalog, models))
    found = []
    for check in ledger.checks().values():
        column, said = why.get(check.name, ("", ""))
        audit = models.audits.get(check.name)
        found.append(
            {
                **{"n": check.name, "t": check.table_name, "c": column, "w": said, "sev": check.severity},
                **{"ok": int(check.passed), "fail": check.failing, "ex": check.examples[:3], "run": check.run_id},
                "h": trends.get(check.name, []),
                "r": list(audit.reads) if audit and not check.table_name else [],
            }
        )
    return found


def _promises(catalog: Catalog, models: Models) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield, by the name of each check, the column that it judges, and why."""
    for audit in models.audits.values():
        yield audit.name, (audit.columns[0] if len(audit.columns) == 1 else "", audit.why)
    for table, contract in catalog.tables.items():
        rules: list[Rule | PythonRule] = [*contract.rules, *contract.python]
        for rule in rules:
            yield f"{table}.{rule.name}", (rule.column or "", rule.message)
        for unique in contract.uniques:
            columns = unique.columns
            yield (
                f"{table}.{unique.name}",
                (columns[0] if len(columns) == 1 else "", f"unique: {', '.join(columns)}"),
            )
