"""What the `etl` command asks of a project, as plain data; it changes nothing but by new_project()."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from etl.errors import ConfigError, EtlError, unknown
from etl.ledger import Ledger, Receipt, Run, failed_note
from etl.ledger.fetches import fetches
from etl.ledger.lock import holder
from etl.ledger.parking import FailedNights, failed_nights
from etl.plan.definitions import definitions
from etl.plan.parked import is_parked
from etl.plan.rhythm import Holes, find_holes
from etl.plan.views import was_view
from etl.project import Project, load_project
from etl.reports.events import posting as events
from etl.reports.fetches import fetch_status
from etl.reports.summary import failed_models
from etl.sources import Source
from etl.sources.connectors.unclaimed import unclaimed
from etl.stages import mirrored, published
from etl.stages.lake.layout import partition_file


def project_status() -> dict[str, Any]:
    """Return, per source, its newest partition, holes, rows and rejects; the last run and the generation.

    `notes` are what the last run had to say of deliveries that do not count, or that were sent twice.
    """
    project = load_project()
    ledger = Ledger(project.ledger, is_reading=True)
    return status_of(project, ledger, *_defined(project, ledger))


def status_of(
    project: Project, ledger: Ledger, sources: Mapping[str, Source], models: Collection[str], wrong: str
) -> dict[str, Any]:
    """Return what project_status() does, of a given project; `wrong` is why its definitions cannot be read."""
    taken: dict[str, list[Receipt]] = {name: [] for name in sources}
    receipts = ledger.receipts()
    for key, receipt in receipts.items():
        if key.step == "extract" and (key.name in taken or wrong):
            taken.setdefault(key.name, []).append(receipt)
    runs, fetched, failed = ledger.runs(), fetches(ledger), failed_nights(ledger)
    notes: dict[str, list[str]] = next((run.summary["notes"] for run in runs if "notes" in run.summary), {})
    return {
        "project": project.place,
        "generation": published.current(project),
        **_publishing(project),
        "mirror": mirrored.told(project, ledger),
        "events": events.told(project),
        "last_run": _last_run(project, ledger, runs[0]) if runs else None,
        "wrong": wrong,
        "optional": [_failed(receipt) for receipt in failed_models(receipts, models)],
        # what cannot be read may declare any of them
        "removed": [] if wrong else _removed(project, sources),
        "unclaimed": [] if wrong else _unclaimed(project.raw, sources, is_fetched=False),
        "unclaimed_fetched": []
        if wrong or not project.fetches
        else _unclaimed(project.fetched, sources, is_fetched=True),
        "sources": [
            {
                "source": name,
                **_source(project, sources.get(name), known, _newest(project, runs)),
                **fetch_status(project, sources.get(name), fetched.get(name)),
                "load": "view" if was_view(receipts, name) else "table",
                "parked": _parked(project, sources.get(name), failed.values()),
                "notes": notes.get(name, []),
            }
            for name, known in taken.items()
        ],
    }


def _unclaimed(folder: Path, sources: Mapping[str, Source], *, is_fetched: bool) -> list[str]:
    known = [source.connector for source in sources.values() if (source.fetch is not None) == is_fetched]
    return unclaimed(folder, known)


def of_source(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what a status says of one source. Raises ConfigError if there is none of that name."""
    known: dict[str, dict[str, Any]] = {source["source"]: source for source in found["sources"]}
    if name not in known:
        raise ConfigError(unknown(f"There is no source {name}", name, known))
    return known[name]


def _defined(project: Project, ledger: Ledger) -> tuple[Mapping[str, Source], Collection[str], str]:
    """Return the sources and models; or none, and why they cannot be read: the state is wanted most then."""
    try:
        catalog, models = definitions(project, ledger)
        return catalog.sources, models.models, ""
    except EtlError as error:
        return {}, (), str(error)


def _failed(receipt: Receipt) -> dict[str, Any]:
    """Return what is known of an optional model that failed when it was last built."""
    facts, name = receipt.details, receipt.key.name
    return {
        "model": name,
        "since": facts["since"] or None,
        "failed": facts["failed"],
        "note": failed_note(receipt),
    }


def _last_run(project: Project, ledger: Ledger, run: Run) -> dict[str, Any]:
    """Return a run with its `state`: its outcome, or whether it is under way or ended before it could say one."""
    receipts = [receipt for receipt in ledger.receipts().values() if receipt.run_id == run.run_id]
    last = max(receipts, key=lambda receipt: receipt.finished_at, default=None)
    step = str(last.key) if last else ""
    state = run.outcome
    if not state and holder(project) == run.run_id:
        state = "under way" + (f", last step {step}" if step else "")
    elif not state:
        state = f"ended without a word (killed?), last step {step or 'none'}"
    problems = [{"step": step, "message": message} for step, message in ledger.problems(run.run_id)]
    return {**asdict(run), "state": state, "last_step": step, "problems": problems}


def _newest(project: Project, runs: Sequence[Run]) -> date | None:
    """Return the newest batch date that any run had, but none from a clock or a hand that was ahead."""
    days = [date.fromisoformat(run.batch_date) for run in runs]
    return min(max(days), project.today()) if days else None


def _removed(project: Project, known: Collection[str]) -> list[str]:
    """Return the sources that there are no more, of which the lake or quarantine holds partitions still."""
    folders = (path.parent for base in (project.lake, project.quarantine) for path in base.glob("*/*=*"))
    return sorted({folder.name for folder in folders} - set(known))


def _publishing(project: Project) -> dict[str, str]:
    """Return, as sentences, what keeps the newest candidate from being published; empty if nothing does."""
    hold, there = published.read_hold(project), published.candidate(project)
    held = f"{hold.told}; held until it changes: {hold.came_with}" if hold else ""
    since = datetime.fromtimestamp(there.stat().st_mtime, UTC) if there.exists() else None
    is_aside = f"a candidate of {since:%Y-%m-%d %H:%M}Z was not published: etl sql --candidate" if since else ""
    return {"held": held, "candidate": is_aside}


def _source(
    project: Project, source: Source | None, known: Sequence[Receipt], newest: date | None
) -> dict[str, Any]:
    """Return what is known of a source; it is late if it was so on the newest batch date.

    Of a history, what the lake has lost is named; it is counted as long as the table has it.
    """
    history = source if source and source.history else None
    lost = [receipt for receipt in known if history and _is_lost(project, history, receipt)]
    gone = {id(receipt) for receipt in lost if "given_up" in receipt.details}
    receipts = [receipt for receipt in known if id(receipt) not in gone]
    facts = [receipt.details for receipt in receipts]
    days = sorted(date.fromisoformat(receipt.key.partition) for receipt in receipts)
    expected = newest - timedelta(source.lag_days) if source and newest else None
    holes = find_holes(days, expected, source.every) if source and source.is_dated else Holes()
    return {
        "connector": type(source.connector).__name__ if source else None,
        "place": source.connector.place if source else None,
        "task": (source.task or None) if source else None,
        "newest": str(days[-1]) if days else None,
        "taken_at": f"{max(r.finished_at for r in receipts)[:16].replace('T', ' ')}Z" if receipts else None,
        "partitions": len(days),
        "rows": sum([one["rows"] for one in facts]),
        "rejected": sum([one["rejected"] for one in facts]),
        "discarded": sum([one.get("discarded", 0) for one in facts]),
        "refused": _partitions(receipts, "refused"),
        "kept": _partitions(receipts, "kept"),
        "holes": [str(day) for day in holes.days],
        "rhythm": holes.rhythm,
        "late_since": str(holes.late_since) if holes.late_since else None,
        "lost": sorted(receipt.key.partition for receipt in lost),
    }


def _parked(project: Project, source: Source | None, failed: Iterable[FailedNights]) -> list[str]:
    """Return the dates of a source that are not tried until they change; of a snapshot, when it failed."""
    mine = [one for one in failed if source and one.source == source.name and is_parked(project, source, one)]
    return sorted(one.partition or one.last_date for one in mine)


def _partitions(receipts: Sequence[Receipt], outcome: str) -> list[str]:
    return sorted(receipt.key.partition for receipt in receipts if receipt.outcome == outcome)


def _is_lost(project: Project, source: Source, receipt: Receipt) -> bool:
    day = date.fromisoformat(receipt.key.partition)
    return receipt.outcome != "refused" and not partition_file(project.lake, source, day).exists()
