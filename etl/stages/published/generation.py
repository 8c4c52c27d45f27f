"""Generations: made of the audited candidate, and switched to, unless they hold nothing new."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from etl.errors import PublishHeld
from etl.ledger import Ledger, Receipt, Run, fingerprint
from etl.ledger.keys import PUBLISH
from etl.project import Project
from etl.project.files import copy_file, flush, make_read_only
from etl.stages.published.artefacts import shelve
from etl.stages.published.contents import content_of, contents_of, is_content
from etl.stages.published.export import export
from etl.stages.published.history import write_steps
from etl.stages.published.hold import facts_of, read_hold, remove_hold
from etl.stages.published.notes import Notes, comment, notes_of
from etl.stages.published.publication import Publication
from etl.stages.published.readers import leave_to_readers
from etl.stages.published.record import Generation, Input, read_record, write_record
from etl.stages.published.retention import NEW, beyond, generations, prune, sweep, time_of_publishing
from etl.stages.published.set_aside import remove_candidate, set_aside
from etl.stages.published.switches import switch_to
from etl.stages.published.switching import FILE, are_files_whole, check_free, current
from etl.stages.warehouse import (
    close_build,
    compact,
    is_published_outdated,
    is_worth_compacting,
    note_published,
    open_build,
    raw_views,
)

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("etl")


def publish(project: Project, ledger: Ledger, run: Run, publication: Publication) -> Receipt:
    """Make the audited build.duckdb the current generation, with its exports, in one rename; return the receipt.

    The generation is named after the run. If the current one holds the same content there is no new one. Older
    ones are deleted as `keep_generations` and `keep_days` say. Raises PublishHeld if the project is rolled back,
    and what was wrong then is as it was; the candidate is set aside. Raises PublishError if an export cannot be
    written, or its place is taken.
    """
    started = perf_counter()
    check_free(project, [model.name for model in publication.models if model.header.export])
    with open_build(project, ledger, run.run_id) as con:
        notes = notes_of(con, publication.sources, publication.models, publication.contracts)
        comment(con, notes)
        record = _record(con, run, publication, notes, has_raw_views=project.settings.publish_raw != "no")
        is_outdated = is_published_outdated(con)
        views = _views(con, publication)
    if not publication.force:
        _check_held(project, record)
    is_new = is_outdated or not _is_current(project, record, publication.force)
    details = _make(project, ledger, run, record, publication, notes) if is_new else {}
    if is_outdated:
        with open_build(project, ledger, run.run_id) as con:
            note_published(con)
    # what a hold names stays, as long as there is one
    old = beyond(project) if is_new else []
    remove_hold(project)
    remove_candidate(project)
    held = {"generation": current(project), "bytes": project.warehouse.stat().st_size, "views": views}
    details = {**held, "is_new": is_new, "exported": {}, **details}
    seconds = perf_counter() - started
    receipt = Receipt(PUBLISH, publication.fingerprint, run.run_id, seconds=seconds, details=details)
    ledger.write(receipt)
    # a disk takes its time to forget a large file
    prune(project, ledger, old)
    return receipt


def _record(
    con: duckdb.DuckDBPyConnection,
    run: Run,
    publication: Publication,
    notes: Mapping[str, Notes],
    *,
    has_raw_views: bool,
) -> Generation:
    tables = contents_of(con, publication.partitions, publication.keys, has_raw_views=has_raw_views)
    exports = [item.definition for item in publication.exports(notes)]
    return Generation(
        generation=run.run_id,
        run_id=run.run_id,
        published_at="",
        batch_date=run.batch_date,
        git_commit=run.git_commit,
        is_committed=publication.is_committed,
        fingerprint=_origin(publication, _views(con, publication)),
        content=content_of(con, tables, exports),
        versions=run.versions,
        inputs=_inputs(con),
        definitions=publication.definitions,
        tables=tables,
        storage=_storage(con),
    )


def _views(con: duckdb.DuckDBPyConnection, publication: Publication) -> list[str]:
    """Return the sources whose raw tables are views over the lake."""
    return sorted({name for name, _ in raw_views(con)} & {source.name for source in publication.sources})


def _origin(publication: Publication, views: Sequence[str]) -> str:
    """Return what stands for all that a generation was made from, and for the views that nobody has asked for."""
    asked = {source.name for source in publication.sources if source.is_view}
    own = [name for name in views if name not in asked]
    return fingerprint(publication.fingerprint, own) if own else publication.fingerprint


def _storage(con: duckdb.DuckDBPyConnection) -> str:
    query = "select tags['storage_version'] from duckdb_databases() where database_name = current_database()"
    return str(con.execute(query).fetchall()[0][0])


def _inputs(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Input]]:
    found: dict[str, dict[str, Input]] = defaultdict(dict)
    rows = con.execute(
        "select source, date::varchar, file, sha256, fingerprint, (loaded_at at time zone 'UTC')::varchar "
        "from etl.partitions join etl._loaded using (source, date) order by all"
    ).fetchall()
    for source, day, *facts in rows:
        found[source][day] = Input(*facts)
    return dict(found)


def _check_held(project: Project, record: Generation) -> None:
    hold = read_hold(project)
    if hold and hold.stops(facts_of(record.inputs, record.definitions)):
        set_aside(project)
        raise PublishHeld(
            f"Publishing is on hold, and generation {hold.current} stays: {hold.told}.\n"
            f"    It waits until one of these changes: {hold.came_with}. They came with {hold.held}.\n"
            "    The candidate is set aside. Look at it with etl sql --candidate or etl diff current candidate.\n"
            "    To publish it anyway: luigi --module etl Nightly --force"
        )


def _is_current(project: Project, record: Generation, force: bool) -> bool:
    """Return whether the current generation holds the same.

    It does if it was made from the same code and inputs, without a look: sums of floating-point numbers differ in
    their last bits from one build to the next.
    """
    there = read_record(project.current)
    is_there = project.warehouse.is_file() and are_files_whole(project)
    if there is None or not is_there or project.warehouse.stat().st_size != there.bytes:
        return False
    is_same_by_origin = is_content(there.content) and there.fingerprint == record.fingerprint and not force
    # clients that cannot open the format of the one there are why another is asked for
    is_same_format = there.storage in ("", record.storage)
    return is_same_format and (there.content == record.content or is_same_by_origin)


def _make(
    project: Project,
    ledger: Ledger,
    run: Run,
    record: Generation,
    publication: Publication,
    notes: Mapping[str, Notes],
) -> dict[str, Any]:
    """Make a generation and switch to it; return what is to be known of that."""
    sweep(project)
    folder = project.generations / NEW
    folder.mkdir(parents=True)
    with open_build(project, ledger, run.run_id) as con:
        _write_runs(con, ledger, run)
        write_steps(con, ledger, run)
        exported = export(con, publication.exports(notes), folder, _newest(project))
        shelve(project, con, folder)
        con.execute("checkpoint")
        is_worth = is_worth_compacting(con, project.settings.compact_percent)
    close_build(project)
    if is_worth:
        compact(project, ledger, run.run_id)
    started = perf_counter()
    how = _finish(project, folder, record)
    copied = {"how": how, "bytes": project.build.stat().st_size, "seconds": perf_counter() - started}
    switch_to(project, ledger, record.generation, "publish")
    ledger.write_generation(record.generation, run.run_id, record.fingerprint)
    return {"generation": record.generation, "exported": exported, "copy": copied}


def _write_runs(con: duckdb.DuckDBPyConnection, ledger: Ledger, run: Run) -> None:
    runs = [*(earlier for earlier in ledger.runs() if earlier.run_id != run.run_id), run]
    names = ("run_id", "started_at", "finished_at", "outcome", "batch_date", "git_commit")
    columns = [[getattr(item, name) or None for item in runs] for name in names]
    con.execute("begin; delete from etl.runs")
    con.execute(
        "insert into etl.runs select unnest($1), unnest($2)::timestamptz, unnest($3)::timestamptz, "
        "unnest($4), unnest($5)::date, unnest($6)",
        columns,
    )
    con.execute("commit")


def _newest(project: Project) -> Path | None:
    """Return the folder of the generation that was made last, current or not."""
    there = generations(project)
    return project.generations / there[-1] if there else None


def _finish(project: Project, folder: Path, record: Generation) -> str:
    """Copy what readers get of the build to the folder that is a generation then; return how.

    It is durable before it has its name.
    """
    how = copy_file(project.build, folder / FILE)
    leave_to_readers(project, folder / FILE, record.generation)
    size = (folder / FILE).stat().st_size
    whole = replace(record, bytes=size, published_at=time_of_publishing(project))
    for file in (folder / FILE, write_record(folder, whole)):
        make_read_only(file)
        flush(file)
    flush(folder)
    os.rename(folder, project.generations / record.generation)
    flush(project.generations)
    return how
