"""What a step raised, as messages explain it: what a user can cause, and what to do about it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from etl.engine import REBUILT, discard_build, is_damage
from etl.engine.memory import MORE_MEMORY, OUT_OF_MEMORY, is_out_of_memory
from etl.errors import FULL, EtlError, StepError, is_full_disk, sentence
from etl.project import Project
from etl.stages import warehouse

if TYPE_CHECKING:
    from etl.run.active import ActiveRun


def explained(error: Exception, run: ActiveRun) -> EtlError | None:
    """Return what a user can cause, such as a full disk or too little memory, as an error that says so; else None.

    A build.duckdb that turns out to be damaged is discarded, so that the next run rebuilds it.
    """
    if is_damage(error) and REBUILT not in str(error):
        warehouse.close_build(run.project)
        discard_build(run.project, error)
        return StepError(f"{run.project.build} is damaged. {REBUILT}\n{sentence(str(error))}")
    is_duckdb = type(error).__module__.split(".")[0] in ("duckdb", "_duckdb")
    is_full = is_full_disk(error) or FULL in str(error)
    is_short = not is_full and (is_out_of_memory(error) or OUT_OF_MEMORY in str(error))
    what = "Fix the cause, and run again. The next run continues from here."
    if is_full:
        what = _make_room(run.project)
    if is_short:
        what = f"{MORE_MEMORY} The next run continues from here: etl run"
    if isinstance(error, EtlError):
        if is_full or is_short:
            error.args = (f"{error}\n{what}",)
        return error
    if not isinstance(error, OSError) and not is_duckdb and not is_full:
        return None
    return StepError(f"{sentence(str(error))}\n{what}")


def _make_room(project: Project) -> str:
    free = shutil.disk_usage(project.data).free / 1e6
    return f"Make room: {project.data} has {free:,.0f} MB free. Run again; the next run continues from here."
