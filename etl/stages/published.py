"""published: copies of audited candidates, of which a symlink names the current one; never written again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from etl.errors import PublishError
from etl.keys import PUBLISH
from etl.ledger import Ledger, Receipt, Run
from etl.project import Project
from etl.stages.warehouse import close_build, open_build

#: Every generation's file has this name: DuckDB follows the link and names the catalog after the file.
FILE = "warehouse.duckdb"
_FOLDER = ".new"


def publish(project: Project, ledger: Ledger, run: Run, content: str) -> Receipt:
    """Make the audited build.duckdb the current generation, in one rename; return the receipt.

    The generation is named after the run. Older ones beyond `keep_generations` are deleted, never the
    current one.
    """
    started = perf_counter()
    _write_runs(project, ledger, run)
    close_build(project)
    generation = _copy(project, run.run_id)
    _switch(project, generation)
    ledger.write_generation(generation, run.run_id, content)
    _prune(project, ledger, generation)
    receipt = Receipt(
        PUBLISH,
        content,
        run.run_id,
        seconds=perf_counter() - started,
        details={"generation": generation},
    )
    ledger.write(receipt)
    return receipt


def rollback(project: Project, generation: str = "") -> str:
    """Make `generation` the current one, by default the one before the current; return its name.

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
    _switch(project, generation)
    return generation


def generations(project: Project) -> list[str]:
    """Return the generations on disk, the oldest first."""
    if not project.generations.is_dir():
        return []
    return sorted(
        path.parent.name for path in project.generations.glob(f"*/{FILE}") if path.parent.name != _FOLDER
    )


def current(project: Project) -> str | None:
    """Return the generation that analysts see, or None before the first publish."""
    target = project.warehouse.resolve()
    return target.parent.name if project.warehouse.is_symlink() and target.is_file() else None


def _write_runs(project: Project, ledger: Ledger, run: Run) -> None:
    known = [earlier for earlier in ledger.runs() if earlier.run_id != run.run_id]
    runs: Sequence[Run] = [*known, run]
    with open_build(project, ledger, run.run_id) as con:
        names = ("run_id", "started_at", "finished_at", "outcome", "batch_date", "git_commit")
        columns = [[getattr(item, name) or None for item in runs] for name in names]
        con.execute("begin; delete from etl.runs")
        con.execute(
            "insert into etl.runs select unnest($1), unnest($2)::timestamptz, unnest($3)::timestamptz, "
            "unnest($4), unnest($5)::date, unnest($6)",
            columns,
        )
        con.execute("commit")
        con.execute("checkpoint")


def _copy(project: Project, generation: str) -> str:
    """Copy the build to a folder of its own, durable before it has its name."""
    folder = project.generations / _FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(project.build, folder / FILE)
    (folder / FILE).chmod(0o444)
    _flush(folder / FILE)
    _flush(folder)
    os.rename(folder, project.generations / generation)
    _flush(project.generations)
    return generation


def _switch(project: Project, generation: str) -> None:
    file = project.generations / generation / FILE
    link = project.scratch / "warehouse.link"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(file, project.warehouse.parent))
    os.replace(link, project.warehouse)
    _flush(project.data)


def _prune(project: Project, ledger: Ledger, keep: str) -> None:
    older = [name for name in generations(project) if name != keep]
    for name in older[: max(0, len(older) + 1 - project.settings.keep_generations)]:
        # a reader that has it open keeps it until it closes
        with suppress(FileNotFoundError):
            shutil.rmtree(project.generations / name)
        ledger.forget_generation(name)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
