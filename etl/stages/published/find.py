"""Finding a file by what people call it: a generation, the current one, the one before, the candidate, a date."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from etl.errors import PublishError, few, unknown
from etl.project import Project
from etl.stages.published.record import read_record
from etl.stages.published.retention import generations
from etl.stages.published.set_aside import candidate
from etl.stages.published.switching import FILE, current

CURRENT, PREVIOUS, CANDIDATE = "current", "previous", "candidate"


def find(project: Project, name: str) -> Path:
    """Return the file of `current`, `previous`, `candidate`, or of a generation by the beginning of its name.

    Raises PublishError, which says what there is, if there is none, or more than one.
    """
    if name == CANDIDATE:
        return _candidate(project)
    there, now = generations(project), current(project)
    if now is None:
        raise PublishError("Nothing is published yet. Run `luigi --module etl Nightly` first.")
    if name == CURRENT:
        return project.generations / now / FILE
    if name == PREVIOUS:
        older = there[: there.index(now)]
        if not older:
            raise PublishError(f"There is no generation before {now}. See `etl generations`.")
        return project.generations / older[-1] / FILE
    matches = [known for known in there if known == name] or [known for known in there if known.startswith(name)]
    if len(matches) != 1:
        if matches:
            raise PublishError(
                f"More than one generation begins with {name}: {few(matches, 20)}. Give more of it."
            )
        known = [*there, CURRENT, PREVIOUS, CANDIDATE]
        raise PublishError(unknown(f"There is no generation {name}", name, known))
    return project.generations / matches[0] / FILE


def find_at(project: Project, day: date) -> Path:
    """Return the file of the last generation whose batch date is not after a day."""
    records = [(name, read_record(project.generations / name)) for name in generations(project)]
    names = [name for name, record in records if record and record.batch_date <= str(day)]
    if not names:
        oldest = min((record.batch_date for _, record in records if record), default="none")
        raise PublishError(
            f"No generation on disk has a batch date of {day} or before. The oldest has {oldest}. "
            "[etl] keep_generations and keep_days say how many are kept."
        )
    return project.generations / names[-1] / FILE


def _candidate(project: Project) -> Path:
    if not candidate(project).exists():
        raise PublishError("There is no candidate: the last run set none aside, or published it.")
    return candidate(project)
