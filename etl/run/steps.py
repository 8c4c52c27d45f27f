"""The steps of a run: what the plan says about one, handed to the stage that does it."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from time import perf_counter
from typing import TypeVar

from etl.errors import AuditError, Crash, DeadlinePassed, EtlError, StepError, counted, few, sentence
from etl.ledger import FAILED, Receipt, failed_note, now
from etl.ledger.history import StepId
from etl.ledger.keys import AUDIT, PUBLISH, PUBLISHED_CHECKS, extract_key, load_key, transform_key
from etl.plan import Plan
from etl.plan.personal import personal_columns
from etl.run import deadline, jobs, nights, recording
from etl.run.active import ActiveRun
from etl.run.explaining import explained
from etl.run.tables import held_receipts, rows_before, table_of, told_form
from etl.stages import audited, lake, published, warehouse

log = logging.getLogger("etl")

#: A model that took so long has its seconds said.
_SLOW_SECONDS = 1.0
#: How many models are named when they are built.
_LISTED = 20


def extract(run: ActiveRun, source: str, dates: Sequence[date]) -> None:
    """Take deliveries of one source into the lake."""
    started, plan = perf_counter(), run.plan
    deliveries = [plan.held[source][day] for day in dates]
    content = {day: plan.fingerprints[extract_key(source, day)] for day in dates}
    before = rows_before(plan, source, dates)
    with recording.recorded(run, "extract", [source], dates=dates):
        way = jobs.extract if run.project.settings.executor else lake.extract
        take = partial(way, run.extracting, plan.catalog.sources[source], deliveries, content)
        with nights.counted(run, plan.catalog.sources[source], deliveries):
            receipts = recording.retried(
                run, lambda: take(run.ledger, plan.run_id, before, is_forced=plan.is_forced(source, dates))
            )
    for receipt in receipts if plan.catalog.sources[source].optional else ():
        facts = receipt.details.get("kept", {}) if receipt.outcome == "kept" else receipt.details
        # what a person discarded as a whole is left out by their word
        if (refused := facts.get("refused")) and facts.get("discarded", 0) < (facts.get("records") or 1):
            why = f"{source} {receipt.key.partition}: {facts['file']} is refused: {sentence(refused)}"
            _keep_tolerated(run, receipt, why)
    new = [receipt.details for receipt in receipts if receipt.outcome != "kept"]
    rows = sum(details["rows"] for details in new)
    rejected = sum(details["rejected"] for details in new)
    what = f"{len(dates):,} partitions" if len(dates) > 1 else f"partition {dates[0]}"
    where = f", on {url}" if (url := run.project.settings.executor) else ""
    _said("extracted", f"{source}: {what}, {counted(rows, 'row')}, {rejected:,} rejected{where}", started)


def load(run: ActiveRun, sources: Sequence[str]) -> None:
    """Make each raw.<source> hold what the lake holds."""
    started, plan = perf_counter(), run.plan
    receipts = run.ledger.receipts()
    with recording.recorded(run, "load", sources, is_shared=True, receipts=receipts):
        contents = [table_of(plan, name, receipts) for name in sources]
        loaded = recording.retried(run, lambda: warehouse.load(run.project, contents, run.ledger, plan.run_id))
    rows = {receipt.key.name: receipt.details["rows"] for receipt in loaded if receipt.details["loaded"]}
    tables = ", ".join(f"raw.{name} {counted(count, 'row')}" for name, count in rows.items())
    _said("loaded", tables or "nothing: no partition is new", started)
    for text in filter(None, (told_form(plan, receipt, receipts) for receipt in loaded)):
        log.info("%s", text)


def transform(run: ActiveRun, names: Sequence[str]) -> None:
    """Build models that do not read one another, as many as are usually built by the deadline."""
    started, plan = perf_counter(), run.plan
    asked = [StepId("transform", name) for name in names]
    count = deadline.in_time(run, asked) if run.project.settings.deadline else len(asked)
    if 0 < count < len(asked):
        transform(run, names[:count])
        return deadline.check(run, asked[count:])
    away, traces = jobs.elsewhere(run.project, plan, run.ledger), dict[str, str]()
    builds = [replace(plan.build(name), elsewhere=away) for name in names]
    with recording.recorded(run, "transform", names, is_shared=True):
        receipts = recording.retried(
            run,
            lambda: warehouse.transform(
                run.project,
                builds,
                run.ledger,
                plan.run_id,
                batch_date=plan.scope.last,
                sources_of=plan.sources_of,
                failed=_optional_failed(run).values(),
                traces=traces,
            ),
        )
    for receipt in (receipt for receipt in receipts if receipt.outcome == FAILED):
        log.warning("warning: %s", failed_note(receipt))
        _keep_tolerated(run, receipt, receipt.details["failed"], traces.get(receipt.key.name, ""))
    said = [f"{built(one)}{away.told(one.key.name) if away else ''}" for one in receipts if one.details["built"]]
    _said("built", ", ".join(said) or "nothing: all tables were already loaded", started)


def audit(run: ActiveRun) -> None:
    """Check the candidate."""
    started, plan, absent = perf_counter(), run.plan, _absent(run)
    candidate = audited.Candidate(
        sources=list(plan.catalog.sources.values()),
        contracts=_without(absent, plan.catalog.tables),
        audits=list(plan.models.audits.values()),
        models=list(plan.models.models),
        tables=_without(absent, _tables(run)),
        arrivals=_arrivals(run),
        warnings=_warnings(run),
        batch_date=plan.scope.last,
        is_build_trusted=plan.is_build_intact,
        macros={name: macro.sql for name, macro in plan.models.macros.items()},
        absent=absent,
        partitions={name: model.header.partition for name, model in plan.models.models.items()},
        replaced={m.name: m.header.partition for m in plan.models.models.values() if m.kind.is_partitioned},
        personal=personal_columns(plan.catalog, plan.models, run.ledger),
    )
    if left_out := candidate.left_out:
        log.warning(
            "warning: without %s, these audits are left out: %s", few(sorted(absent)), few(left_out, _LISTED)
        )
    try:
        with recording.recorded(run, "audit"):
            check = partial(audited.audit, run.project, candidate, run.ledger, plan.run_id)
            recording.retried(run, lambda: check(plan.fingerprints[AUDIT]))
    except AuditError as error:
        published.set_aside(run.project)
        look = (
            "\n    The candidate is set aside. Look at it with etl sql --candidate or etl diff current candidate."
        )
        raise AuditError(f"{error}{_owners(run)}{look}") from error
    _said("audited", counted(len(run.ledger.checks()), "check"), started)


def publish(run: ActiveRun) -> None:
    """Make the candidate the current generation."""
    started, plan = perf_counter(), run.plan
    row = replace(run.row, outcome="published", finished_at=now())
    publication = published.Publication(
        fingerprint=plan.fingerprints[PUBLISH],
        models=list(_without(_absent(run), plan.models.models).values()),
        sources=list(plan.catalog.sources.values()),
        contracts=_without(_absent(run), plan.catalog.tables),
        definitions=plan.code,
        unique=plan.unique,
        is_committed=run.is_committed,
        force=plan.scope.publish_held,
    )
    with recording.recorded(run, "publish"):
        receipt = recording.retried(run, lambda: published.publish(run.project, run.ledger, row, publication))
    exported = {name: count for name, count in receipt.details["exported"].items() if count}
    if exported:
        files = [f"{name} ({counted(count, 'file')})" for name, count in exported.items()]
        log.info("exported %s", few(files, _LISTED))
    generation = receipt.details["generation"]
    run.ledger.cache(PUBLISHED_CHECKS, generation, json.dumps(plan.checks))
    if not receipt.details["is_new"]:
        _said("compared", f"all tables with generation {generation}: nothing changed,", started)
        return
    copy = receipt.details["copy"]
    size = f"{copy['how']} {copy['bytes'] / 1e6:,.1f} MB in {copy['seconds']:.2f} s"
    # older ones were deleted since
    _said("published", f"generation {generation} ({size})", perf_counter() - receipt.seconds)


def failed(error: Exception, run: ActiveRun, step: str, of: Sequence[str]) -> EtlError:
    """Say and note that a step failed, and return the error as messages explain it; `of` is what it was about."""
    known, doing = explained(error, run), run.doing
    told = known or Crash(f"{' '.join([step, *of])}: {type(error).__name__}: {sentence(str(error))}")
    if isinstance(error, DeadlinePassed):
        if any(noted == deadline.DEADLINE for noted, _ in run.ledger.problems(run.plan.run_id)):
            # it was said of another step, with all that is left
            return told
        step = deadline.DEADLINE
    log.error("failed: %s", told, exc_info=None if known else error)
    # more may have been added to what is said of all
    for text in told.parts if "\n".join(told.parts) == str(told) else [str(told)]:
        run.note_problem(step, type(told)(text))
    lost = recording.note_failed(run, told)
    if doing and lost:
        from etl.run.failures.bundle import keep_bundles

        keep_bundles(run, doing, lost, told, error)
    return told


def _keep_tolerated(run: ActiveRun, receipt: Receipt, why: str, trace: str = "") -> None:
    """Keep what a source or model was given that failed, and is optional."""
    from etl.run.failures.bundle import keep_tolerated

    if run.doing:
        error = StepError(why)
        error.traces = {receipt.key.name: trace} if trace else {}
        keep_tolerated(run, run.doing, receipt.key, error)


def _owners(run: ActiveRun) -> str:
    """Return a line about each owner of a table that this run found broken."""
    failed = {
        table
        for check in run.ledger.checks().values()
        if check.run_id == run.plan.run_id and check.severity == "error" and not check.passed
        for table in (check.table_name, *_read_by_audit(run.plan, check.name))
    }
    models = [model for name, model in run.plan.models.models.items() if name in failed and model.header.owner]
    return "".join(f"\n    the owner of {model.name}: {model.header.owner}" for model in models)


def _read_by_audit(plan: Plan, name: str) -> Sequence[str]:
    return plan.models.audits[name].reads if name in plan.models.audits else ()


def built(receipt: Receipt) -> str:
    """Return what the log says of a model that was built."""
    days, seconds = receipt.details["partitions"], receipt.details["seconds"]
    facts = [counted(len(days), "partition")] if days is not None else []
    facts += [f"in full: {why}"] if (why := receipt.details.get("in_full")) else []
    facts += [f"{seconds:.1f} s"] if seconds >= _SLOW_SECONDS else []
    return receipt.key.name + (f" ({', '.join(facts)})" if facts else "")


def _tables(run: ActiveRun) -> dict[str, str]:
    """Return the fingerprints of what build.duckdb should hold: of an optional model that failed, of before."""
    plan = run.plan
    raw = {s.table: plan.fingerprints[load_key(s.name)] for s in plan.catalog.sources.values()}
    models = {name: plan.fingerprints[transform_key(name)] for name in plan.models.models}
    return raw | models | {name: receipt.details["held"] for name, receipt in _optional_failed(run).items()}


def _optional_failed(run: ActiveRun) -> dict[str, Receipt]:
    """Return the receipts of the optional models that failed in this run."""
    receipts = (
        run.ledger.receipt(transform_key(m.name)) for m in run.plan.models.models.values() if m.header.optional
    )
    return {r.key.name: r for r in receipts if r and r.outcome == FAILED and r.run_id == run.plan.run_id}


def _absent(run: ActiveRun) -> frozenset[str]:
    """Return the optional models that failed, and were never built before."""
    return frozenset(name for name, receipt in _optional_failed(run).items() if not receipt.details["held"])


_Item = TypeVar("_Item")


def _without(names: Collection[str], items: Mapping[str, _Item]) -> dict[str, _Item]:
    return {name: item for name, item in items.items() if name not in names}


def _arrivals(run: ActiveRun) -> dict[str, list[str]]:
    """Return what came since the last publish, as text, by the tables that it ends up in."""
    plan, receipts = run.plan, run.ledger.receipts()
    published_at = max((at for _, _, at, _ in run.ledger.generations()), default="")
    new = {
        name: [
            f"{name} {day} ({plan.held[name][day].file})"
            for day, extracted in held_receipts(plan, name, receipts).items()
            if extracted.finished_at > published_at and extracted.outcome != "kept"
        ]
        for name in plan.catalog.sources
    }
    return {table: [text for name in names for text in new[name]] for table, names in plan.sources_of.items()}


def _warnings(run: ActiveRun) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    receipts = run.ledger.receipts()
    for source in run.plan.held:
        counts = found.setdefault(source, {})
        for extracted in held_receipts(run.plan, source, receipts).values():
            for rule, count in extracted.details["warnings"].items():
                counts[rule] = counts.get(rule, 0) + count
    return found


def _said(done: str, what: str, started: float) -> None:
    log.info("%s %s in %.2f s", done, what, perf_counter() - started)
