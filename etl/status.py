"""What the `etl` command asks of a project, as plain data; it changes nothing but by new_project()."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl import engine
from etl.contract import Source
from etl.errors import ConfigError, EtlError, QueryError
from etl.ledger import Ledger, Receipt, Run
from etl.lock import holder
from etl.plan.plan import definitions
from etl.plan.rhythm import Holes, find_holes
from etl.project import CONFIG, Project, load_project
from etl.quoting import identifier, literal
from etl.stages import published
from etl.stages.lake.layout import partition_file

if TYPE_CHECKING:
    import duckdb

_TEMPLATE = Path(__file__).parent / "template"


def project_status() -> dict[str, Any]:
    """Return, per source, its newest partition, holes, rows and rejects; the last run and the generation.

    `notes` are what the last run had to say of deliveries that do not count, or that were sent twice.
    """
    project = load_project()
    ledger = Ledger(project.ledger, is_reading=True)
    sources, wrong = _sources(project, ledger)
    taken: dict[str, list[Receipt]] = {name: [] for name in sources}
    for key, receipt in ledger.receipts().items():
        if key.step == "extract" and (key.name in taken or wrong):
            taken.setdefault(key.name, []).append(receipt)
    runs = ledger.runs()
    notes: dict[str, list[str]] = next((run.summary["notes"] for run in runs if "notes" in run.summary), {})
    return {
        "project": project.place,
        "generation": published.current(project),
        **_publishing(project),
        "last_run": _last_run(project, ledger, runs[0]) if runs else None,
        "wrong": wrong,
        "removed": _removed(project, sources),
        "sources": [
            {
                "source": name,
                **_source(project, sources.get(name), known, _newest(project, runs)),
                "notes": notes.get(name, []),
            }
            for name, known in taken.items()
        ],
    }


def _sources(project: Project, ledger: Ledger) -> tuple[Mapping[str, Source], str]:
    """Return the sources; or none, and why they or the models cannot be read: the state is wanted most then."""
    try:
        return definitions(project, ledger)[0].sources, ""
    except EtlError as error:
        return {}, str(error)


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


def known_generations() -> list[dict[str, Any]]:
    """Return the generations on disk, the newest first; what those without a record do not say is None."""
    project = load_project()
    return [_generation(project, name) for name in reversed(published.generations(project))]


def _generation(project: Project, name: str) -> dict[str, Any]:
    folder, hold = project.generations / name, published.read_hold(project)
    record = published.read_record(folder)
    tables = record.tables.values() if record else ()
    notes = ["current"] if name == published.current(project) else []
    notes += ["held"] if hold and hold.held == name else []
    notes += [f"of {record.origin['environment']}"] if record and record.origin else []
    return {
        "generation": name,
        "published_at": record.published_at[:19] + "Z" if record else None,
        "batch_date": record.batch_date if record else None,
        "tables": len(tables) or None,
        "rows": sum(item.rows or 0 for item in tables) if record else None,
        "bytes": (folder / published.FILE).stat().st_size,
        "git_commit": record.git_commit if record else "",
        "note": ", ".join(notes),
    }


def file_of(name: str, at: date | None = None) -> Path:
    """Return the file of a generation, by what published.find() knows, or of the last one up to a batch date."""
    project = load_project()
    return published.find_at(project, at) if at else published.find(project, name)


def opening(file: Path) -> str:
    """Return how to open a published file in a DuckDB shell, next to others, and in Python."""
    name = identifier(f"{file.parent.name} {file.stem}")
    return (
        f"duckdb -readonly {shlex.quote(str(file))}\n"
        f"attach {literal(str(file))} as {name} (read_only);\n"
        f"duckdb.connect({str(file)!r}, read_only=True)"
    )


def ask(query: str, file: Path) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the column names and rows of a query on a published file, read-only.

    Time spans are as DuckDB writes them. Raises QueryError for a query that DuckDB does not understand.
    """
    import duckdb

    with engine.reading(load_project(), file) as con:
        try:
            found = con.sql(query)
            found = _with_spans_as_text(found) if found is not None else None
            # Arrow, since fetchall() needs pytz for a timestamp with a time zone
            table = found.to_arrow_table() if found is not None else None
        except duckdb.Error as error:
            is_wrong = isinstance(error, duckdb.ProgrammingError | duckdb.DataError)
            raise (QueryError if is_wrong else EtlError)(str(error)) from error
    if table is None:
        return [], []
    columns = [column.to_pylist() for column in table.columns]
    return table.column_names, list(zip(*columns, strict=True))


def _with_spans_as_text(found: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return a result whose time spans are text, those within lists too; Python has none of months."""
    spans = {name for name, type in zip(found.columns, found.types, strict=True) if "INTERVAL" in str(type)}
    if not spans or len(set(found.columns)) < len(found.columns):
        return found
    names = [(identifier(name), name in spans) for name in found.columns]
    return found.project(", ".join(f"{name}::varchar as {name}" if is_span else name for name, is_span in names))


def new_project(folder: Path) -> None:
    """Make a project in a folder that does not exist or is empty. Raises ConfigError otherwise."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty; a new project needs a folder of its own.")
    shutil.copytree(_TEMPLATE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    if not (folder / CONFIG).is_file():
        raise ConfigError(f"the template of a project is missing from this installation: {_TEMPLATE}.")


def _source(
    project: Project, source: Source | None, known: Sequence[Receipt], newest: date | None
) -> dict[str, Any]:
    """Return what is known of a source; it is late if it was so on the newest batch date.

    Of a history, what the lake has lost is named; it is counted as long as the table has it.
    """
    lost = [receipt for receipt in known if source and source.history and _is_lost(project, source, receipt)]
    receipts = [receipt for receipt in known if receipt not in lost or "given_up" not in receipt.details]
    days = sorted(date.fromisoformat(receipt.key.partition) for receipt in receipts)
    refused = [receipt for receipt in receipts if receipt.outcome == "refused"]
    expected = newest - timedelta(source.lag_days) if source and newest else None
    holes = find_holes(days, expected, source.every) if source and source.is_dated else Holes()
    return {
        "newest": str(days[-1]) if days else None,
        "partitions": len(days),
        "rows": sum(receipt.details["rows"] for receipt in receipts),
        "rejected": sum(receipt.details["rejected"] for receipt in receipts),
        "discarded": sum(receipt.details.get("discarded", 0) for receipt in receipts),
        "refused": sorted(receipt.key.partition for receipt in refused),
        "kept": sorted(receipt.key.partition for receipt in receipts if receipt.outcome == "kept"),
        "holes": [str(day) for day in holes.days],
        "rhythm": holes.rhythm,
        "late_since": str(holes.late_since) if holes.late_since else None,
        "lost": sorted(receipt.key.partition for receipt in lost),
    }


def _is_lost(project: Project, source: Source, receipt: Receipt) -> bool:
    day = date.fromisoformat(receipt.key.partition)
    return receipt.outcome != "refused" and not partition_file(project.lake, source, day).exists()
