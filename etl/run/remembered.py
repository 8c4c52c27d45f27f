"""What a run notes that has left nothing to do: all that its plan looked at, and how that was."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from etl.contract.audit import ROW_COUNTS
from etl.ledger import Key, Ledger, Receipt, Run
from etl.ledger.cleared import cleared_steps
from etl.models.libraries import installed_at, stated
from etl.plan import Plan
from etl.plan.rhythm import IRREGULAR, find_holes, rhythm_of
from etl.plan.stale import Staleness, is_dated
from etl.project import Project
from etl.project.files import project_files
from etl.reports.holes import LISTED
from etl.reports.summary import summary
from etl.run.ending import totals
from etl.run.later import Awaited, Later
from etl.run.same import (
    DECISIONS,
    FOLDER,
    PARTITIONS,
    PATH,
    TREE,
    Look,
    Said,
    Seen,
    is_usual,
    key_of,
    note_same,
    see,
)
from etl.sources.connectors.connector import Watched
from etl.stages import published
from etl.stages.lake.layout import refused_base
from etl.stages.published.artefacts import artefacts_manifest, read_artefacts
from etl.stages.published.manifest import read_manifest
from etl.stages.published.raw_files import raw_manifest, read_raw
from etl.stages.published.switching import raw_link

#: What changed so shortly before it was looked at may have changed again within the same time stamp.
_SETTLED_NS = 2_000_000_000


def see_given(plan: Plan) -> Seen | None:
    """Return how all is that people and senders have given; None if that may be another state than the plan's."""
    began = time.time_ns()
    if not is_usual(plan.scope) or any(_watched(plan, name) is None for name in plan.taken):
        return None
    sources = plan.catalog.sources.values()
    if any(source.task or source.fetch or (source.wait and not source.is_dated) for source in sources):
        # whether it has made what it is to make, it has to be asked; what is waited for may be old
        return None
    if any(plan.project.data.is_relative_to(folder) for folder in _code(plan.project)):
        return None
    decided = {name for name, days in plan.held.items() if any(day.corrections for day in days.others.values())}
    if not all((plan.project.corrections / name).is_dir() for name in decided):
        return None
    seen = see(given(plan))
    return seen if seen.newest < began - _SETTLED_NS else None


def remember(plan: Plan, ledger: Ledger, before: Seen | None, run: Run) -> None:
    """Note what the next run need not plan, if this one, which has ended, has left it nothing to do."""
    receipts = ledger.receipts()
    is_over = run.outcome in ("published", "unchanged") and not plan.missing
    if before is None or not is_over or not _is_plain(plan, receipts) or cleared_steps(ledger):
        return
    looks = made(plan)
    after_all = see(looks)
    after = replace(plan, run_id="", stale={}, forced=frozenset(), receipts=receipts)
    if not _is_stale(after, after_all):
        row = replace(run, run_id="", outcome="unchanged")
        said = Said(totals(after, receipts), list(summary(after, ledger, row, receipts)))
        seen = [(given(plan), before.hash), (looks, after_all.hash)]
        later = _later(after, list(summary(_without_holes(after), ledger, row, receipts)))
        is_same = later is not None and later.lines(plan.scope.last) == said.lines
        key = key_of(plan.project, run.versions)
        note_same(ledger, key, last=plan.scope.last, seen=seen, said=said, later=later if is_same else None)


def _is_plain(plan: Plan, receipts: Mapping[Key, Receipt]) -> bool:
    """Return whether a plan made now would hold what this one did: what was to be done is done, and no more."""
    if not plan.stale:
        return True
    if plan.lost or any(r.outcome != "done" for r in receipts.values() if r.run_id == plan.run_id):
        return False
    taken = plan.taken.values()
    return not any((*t.withdrawn, *t.waiting, *t.lost, *t.given_up, *t.outdated, *t.left_out) for t in taken)


def _is_stale(plan: Plan, made: Seen) -> bool:
    """Return whether there is still something to do, by the receipts and what lake and warehouse hold.

    `made` is how all was that etl itself made: the files of partitions are not looked at twice.
    """
    left = Staleness(
        project=plan.project,
        scope=plan.scope,
        catalog=plan.catalog,
        models=plan.models,
        held=plan.held,
        prints=plan.fingerprints,
        receipts=plan.receipts,
        withdrawn=plan.withdrawn,
        stamps=made.stamps,
    )
    return bool(left.find()[0])


def _without_holes(plan: Plan) -> Plan:
    """Return the plan of a project of which nothing is late or missing."""
    found = replace(plan)
    found.__dict__["holes"] = {}
    return found


def _later(plan: Plan, lines: Sequence[str]) -> Later | None:
    """Return what will be said on later dates; `lines` are those of a night of which nothing is late.

    None if there may be something to do on them, though nothing else changes.
    """
    last = plan.scope.last
    if is_dated(plan.catalog, plan.models) or ROW_COUNTS in plan.models.read:
        return None
    for name, source in plan.catalog.sources.items():
        found = plan.taken[name].found
        if source.is_dated and any(day > last for day in (*plan.held[name], *found.complete, *found.incomplete)):
            return None
        if not source.is_dated and (len(source.variants) > 1 or plan.taken[name].waiting):
            return None
    return Later(str(last), lines[0], [_awaited(plan, name, lines) for name in plan.catalog.sources])


def _awaited(plan: Plan, name: str, lines: Sequence[str]) -> Awaited:
    source, days, waiting = plan.catalog.sources[name], sorted(plan.held[name]), plan.taken[name].waiting
    said = [line for line in lines if line.startswith(f"  {name}: ")]
    if not source.is_dated:
        return Awaited(name=name, lines=said)
    holes = [day for day in find_holes(days, None, source.every).days if day not in waiting]
    rhythm = rhythm_of(days, source.every) if days and source.every != IRREGULAR else None
    return Awaited(
        name=name,
        lines=said,
        lag_days=source.lag_days,
        every=source.every,
        holes=len(holes),
        newest_holes=list(map(str, holes[-LISTED:])),
        newest=str(days[-1]) if days else "",
        rhythm=(rhythm.name, rhythm.anchor, rhythm.slack) if rhythm else (),
        waiting=list(map(str, waiting)),
        required=list(map(str, days)) if source.required else (),
    )


def given(plan: Plan) -> list[Look]:
    """Return what people and senders give, as far as a plan looks at it; and the code of etl."""
    project, looks = plan.project, [(PATH, str(plan.project.raw))]
    for source in plan.taken:
        if (watched := _watched(plan, source)) is None:
            continue
        root = plan.catalog.sources[source].root(project)
        looks += [(FOLDER, f"{root}/{name}") for name in sorted(watched.folders)]
        looks += [(PATH, f"{root}/{name}") for name in sorted(watched.paths)]
    looks += [(DECISIONS, str(project.corrections / name)) for name in plan.catalog.sources]
    return [
        *looks,
        *((TREE, str(folder)) for folder in (*_code(project), Path(__file__).parents[1])),
        *([] if project.ml.is_dir() else [(PATH, str(project.ml))]),
        *((PATH, str(place)) for place in _libraries(project)),
    ]


def _code(project: Project) -> tuple[Path, ...]:
    """Return the folders of a project's code."""
    return project.contracts, project.sql, *([project.ml] if project.ml.is_dir() else [])


def _libraries(project: Project) -> Iterator[Path]:
    """Yield what another version of a library that models use would put in another place."""
    for path in (path for folder in (project.sql, project.ml) for path in project_files(folder, ".py")):
        for name in stated(path.read_bytes()):
            yield from installed_at(name)


def _watched(plan: Plan, name: str) -> Watched | None:
    """Return what tells that nothing else of a source has come; None if nothing does."""
    found = plan.taken[name].found
    days = [*found.complete, *found.incomplete]
    source = plan.catalog.sources[name]
    return source.connector.watched(source.root(plan.project), days, is_waiting=bool(found.incomplete))


def made(plan: Plan) -> list[Look]:
    """Return what etl itself made, as far as a plan looks at it."""
    project, wal = plan.project, plan.project.build.with_name(plan.project.build.name + ".wal")
    exports = [
        path
        for table, link in published.export_links(project).items()
        for path in (link, *(link / name for name in read_manifest(project.current)[table].files))
    ]
    models = [
        artefacts_manifest(project.current),
        *(project.current / name for name in read_artefacts(project.current)),
        raw_link(project),
        raw_manifest(project.current),
        *(project.current / name for name in read_raw(project.current)),
    ]
    manifest, hold = project.current / "exports.json", project.current.parent / "hold.json"
    current = (project.warehouse, project.current, project.current / published.FILE, manifest, hold, *models)
    bases = (project.lake, project.quarantine, refused_base(project))
    return [
        *((PATH, str(path)) for path in (*current, project.build, wal, *exports)),
        (FOLDER, str(project.generations)),
        *((PARTITIONS, str(base / name)) for base in bases for name in plan.catalog.sources),
    ]
