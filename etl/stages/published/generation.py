"""Generations: made of the audited candidate, switched to, rolled back to, and deleted when they are old."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from etl.contract import Contract
from etl.errors import PublishError
from etl.files import flush
from etl.keys import PUBLISH
from etl.ledger import Ledger, Receipt, Run
from etl.models import Model
from etl.project import Project
from etl.stages.published.export import Export, export
from etl.stages.published.notes import Notes, comment, notes_of
from etl.stages.published.switching import FILE, check_free, switch
from etl.stages.warehouse import close_build, open_build

if TYPE_CHECKING:
    import duckdb

_NEW = ".new"


def publish(
    project: Project,
    ledger: Ledger,
    run: Run,
    content: str,
    models: Sequence[Model] = (),
    contracts: Mapping[str, Contract] | None = None,
) -> Receipt:
    """Make the audited build.duckdb the current generation, with its exports, in one rename; return the receipt.

    The generation is named after the run. Of `models` the file gets comments, from their headers and `contracts`,
    and the lake gets those that are to be exported. Older generations beyond `keep_generations` are deleted,
    never the current one. Raises PublishError if an export cannot be written, or its place is taken.
    """
    started = perf_counter()
    check_free(project, [model.name for model in models if model.header.export])
    folder = _empty_folder(project)
    with open_build(project, ledger, run.run_id) as con:
        _write_runs(con, ledger, run)
        notes = notes_of(con, models, contracts or {})
        comment(con, notes)
        exported = export(con, _exports(models, notes), folder, _newest(project))
        con.execute("checkpoint")
    close_build(project)
    generation = _finish(project, folder, run.run_id)
    switch(project, generation)
    ledger.write_generation(generation, run.run_id, content)
    _prune(project, ledger, generation)
    receipt = Receipt(
        PUBLISH,
        content,
        run.run_id,
        seconds=perf_counter() - started,
        details={"generation": generation, "exported": exported},
    )
    ledger.write(receipt)
    return receipt


def rollback(project: Project, generation: str = "") -> str:
    """Make `generation` the current one, with its exports; by default the one before the current. Return its name.

    Raises PublishError if it is not there.
    """
    there = generations(project)
    now = current(project)
    if not generation:
        older = [name for name in there if now is None or name < now]
        if not older:
            before = f"there is no generation before {now}; see `etl generations`."
            raise PublishError(before if now else "nothing is published yet.")
        generation = older[-1]
    if generation not in there:
        raise PublishError(f"there is no generation {generation}; there are: {', '.join(there) or 'none'}.")
    switch(project, generation)
    return generation


def generations(project: Project) -> list[str]:
    """Return the generations on disk, the oldest first."""
    if not project.generations.is_dir():
        return []
    return sorted(path.parent.name for path in project.generations.glob(f"*/{FILE}") if path.parent.name != _NEW)


def current(project: Project) -> str | None:
    """Return the generation that analysts see, or None before the first publish."""
    target = project.warehouse.resolve()
    return target.parent.name if project.warehouse.is_symlink() and target.is_file() else None


def _write_runs(con: duckdb.DuckDBPyConnection, ledger: Ledger, run: Run) -> None:
    known = [earlier for earlier in ledger.runs() if earlier.run_id != run.run_id]
    runs: Sequence[Run] = [*known, run]
    names = ("run_id", "started_at", "finished_at", "outcome", "batch_date", "git_commit")
    columns = [[getattr(item, name) or None for item in runs] for name in names]
    con.execute("begin; delete from etl.runs")
    con.execute(
        "insert into etl.runs select unnest($1), unnest($2)::timestamptz, unnest($3)::timestamptz, "
        "unnest($4), unnest($5)::date, unnest($6)",
        columns,
    )
    con.execute("commit")


def _exports(models: Sequence[Model], notes: Mapping[str, Notes]) -> list[Export]:
    return [Export(model, notes.get(model.name, Notes())) for model in models if model.header.export]


def _newest(project: Project) -> Path | None:
    """Return the folder of the generation that was made last, current or not."""
    there = generations(project)
    return project.generations / there[-1] if there else None


def _empty_folder(project: Project) -> Path:
    folder = project.generations / _NEW
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _finish(project: Project, folder: Path, generation: str) -> str:
    """Copy the build to the folder that is a generation then, durable before it has its name."""
    shutil.copyfile(project.build, folder / FILE)
    (folder / FILE).chmod(0o444)
    flush(folder / FILE)
    flush(folder)
    os.rename(folder, project.generations / generation)
    flush(project.generations)
    return generation


def _prune(project: Project, ledger: Ledger, keep: str) -> None:
    older = [name for name in generations(project) if name != keep]
    for name in older[: max(0, len(older) + 1 - project.settings.keep_generations)]:
        # a reader that has it open keeps it until it closes
        with suppress(FileNotFoundError):
            shutil.rmtree(project.generations / name)
        ledger.forget_generation(name)
