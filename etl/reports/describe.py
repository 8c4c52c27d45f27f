"""What one source, model or audit is: what it reads and writes, its last runs, and why it would run now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from etl.contract.audit import Audit
from etl.errors import ConfigError, counted, unknown
from etl.ledger import Ledger
from etl.ledger.history import StepRow
from etl.ledger.keys import extract_key, transform_key
from etl.ledger.last_runs import last_checks, last_steps
from etl.models import Model
from etl.plan import Plan
from etl.plan.forecast import Expected, Forecast
from etl.reports.summary import notes
from etl.sources import Source

#: So many runs are told of.
LAST_RUNS = 5


def describe(plan: Plan, found: Forecast, ledger: Ledger, name: str) -> dict[str, Any]:
    """Return what is known of a source, a model or an audit, as plain data.

    A source is known by its name and by that of its table, a model and an audit by their names and files. Raises
    ConfigError if nothing is called so.
    """
    sources = {known: each for each in plan.catalog.sources.values() for known in (each.table, each.name)}
    models = {known: each for each in plan.models.models.values() for known in (each.file, each.name)}
    audits = {known: each for each in plan.models.audits.values() for known in (each.file, each.name)}
    if name in sources:
        return _source(plan, found, ledger, sources[name])
    if name in models:
        return _model(plan, found, ledger, models[name])
    if name in audits:
        return _audit(found, ledger, audits[name])
    known = {*sources, *plan.models.models, *plan.models.audits}
    raise ConfigError(unknown(f"There is no source, model or audit {name}", name, known))


def _source(plan: Plan, found: Forecast, ledger: Ledger, source: Source) -> dict[str, Any]:
    contract = source.contract
    held = [day for day in plan.held[source.name] if extract_key(source.name, day) in plan.receipts]
    about = f"{source.name}: "
    return {
        "name": source.name,
        "kind": "source",
        "what": contract.description,
        "owner": source.owner,
        "declared": source.declared.removeprefix(f"{plan.project.root}/"),
        "contract": contract.name,
        "columns": {column.name: column.type for column in contract.columns},
        "built": _promised(source),
        "reads": [*_makers(source), source.connector.place],
        "writes": [source.table],
        "read_by": _readers(plan, source.table),
        "audits": _audits(plan, source.table),
        "holds": f"{counted(len(held), 'partition')} from {min(held)} to {max(held)}" if held else "",
        "runs": _runs(last_steps(ledger, source.name, LAST_RUNS)),
        "now": _now(found.tables, source.table),
        "notes": [
            *notes(plan.taken[source.name]),
            *(note.removeprefix(about) for note in found.notes if note.startswith(about)),
        ],
    }


def _promised(source: Source) -> str:
    """Return how its deliveries come, and what is expected of them."""
    what = [source.connector.period and f"one delivery a {source.connector.period}"]
    what += [] if source.is_dated else ["a snapshot"]
    what += ["required"] if source.required else []
    what += ["optional"] if source.optional else []
    what += [f"expected by {source.expected_by}"] if source.expected_by else []
    what += [f"waited for within {source.wait}"] if source.wait else []
    return ", ".join(filter(None, what))


def _makers(source: Source) -> list[str]:
    """Return what is done first so that its deliveries are there."""
    return [source.fetch.named] if source.fetch else [f"the task {source.task}"] if source.task else []


def _model(plan: Plan, found: Forecast, ledger: Ledger, model: Model) -> dict[str, Any]:
    header, receipt = model.header, plan.receipts.get(transform_key(model.name))
    parts = [model.materialized, *([f"by {header.partition}"] if header.partition else [])]
    parts += [f"key {', '.join(header.key)}"] if header.key else []
    rows = receipt.details.get("rows") if receipt else None
    contract = plan.catalog.tables.get(model.name)
    return {
        "name": model.name,
        "kind": "model",
        "what": model.description,
        "owner": header.owner,
        "declared": model.file,
        "contract": contract.name if contract else "",
        "columns": dict(model.columns),
        "built": ", ".join(parts),
        "reads": list(model.reads),
        "writes": [model.name, *([f"{header.export} in each generation"] if header.export else [])],
        "read_by": _readers(plan, model.name),
        "audits": _audits(plan, model.name),
        "holds": "" if rows is None else counted(rows, "row"),
        "runs": _runs(last_steps(ledger, model.name, LAST_RUNS)),
        "now": _now(found.tables, model.name),
        "notes": [*(["optional: the rest is published without it"] if header.optional else [])],
    }


def _audit(found: Forecast, ledger: Ledger, audit: Audit) -> dict[str, Any]:
    checks = last_checks(ledger, audit.name, LAST_RUNS)
    return {
        "name": audit.name,
        "kind": "audit",
        "what": audit.why,
        "owner": "",
        "declared": audit.file,
        "contract": "",
        "columns": {},
        "built": audit.severity,
        "reads": list(audit.reads),
        "writes": [],
        "read_by": [],
        "audits": [],
        "holds": "",
        "runs": [
            {
                "run_id": check.run_id,
                "step": "audit",
                "outcome": "passed" if check.passed else "failed" if check.severity == "error" else "warned",
                "rows": check.failing,
                "seconds": None,
                "why": "",
            }
            for check in checks
        ],
        "now": _plain(found.audit),
        "notes": [],
    }


def _readers(plan: Plan, table: str) -> list[str]:
    return [model.name for model in plan.models.models.values() if table in model.reads]


def _audits(plan: Plan, table: str) -> list[str]:
    return [audit.name for audit in plan.models.audits.values() if table in (audit.table, *audit.reads)]


def _runs(steps: Iterable[StepRow]) -> list[Mapping[str, Any]]:
    return [
        {
            "run_id": step.run_id,
            "step": step.step,
            "outcome": step.outcome or "waiting",
            "rows": step.rows_out,
            "seconds": step.seconds,
            "why": step.message or step.why,
        }
        for step in steps
    ]


def _now(tables: Iterable[Expected], name: str) -> dict[str, Any]:
    return next(_plain(table) for table in tables if table.name == name)


def _plain(step: Expected) -> dict[str, Any]:
    days = None if step.partitions is None else [str(day) for day in step.partitions]
    return {"action": "build" if step.is_built else "skip", "why": step.why, "partitions": days, "diff": step.diff}
