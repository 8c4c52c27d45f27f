"""The history of runs as plain data: what `etl runs`, `etl show` and `etl logs` tell."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from etl.errors import ConfigError, few, unknown
from etl.ledger import Ledger, Run
from etl.ledger.connection import damaged_path
from etl.ledger.history import DONE, FAILED, KEPT, SKIPPED, WAITING, History, RunFacts, StepRow
from etl.ledger.lock import under_way
from etl.ledger.run_log import log_file, read_log
from etl.project import Project
from etl.stages.published import read_record

#: What stands for the run that began last, and for the last one that failed.
LAST, LAST_FAILED = "last", "failed"
UNDER_WAY = "under way"
#: The outcomes of runs that kept their promise.
_GOOD = ("published", "unchanged", "partial", UNDER_WAY)
#: The order in which a run does its steps.
ORDER = ("plan", "fetch", "deliver", "extract", "load", "transform", "audit", "publish")


def known_runs(
    project: Project, ledger: Ledger, last: int | None = None, *, is_failed: bool = False
) -> list[dict[str, Any]]:
    """Return the runs of the history, the newest first: all or the last ones, of all or of those that failed."""
    current = under_way(project, ledger)
    states = [(run, _state(run, current)) for run in ledger.runs()]
    chosen = [(run, state) for run, state in states if not is_failed or state not in _GOOD][:last]
    history = History(ledger)
    for run, state in chosen:
        if state == UNDER_WAY:
            # of a copy: nothing is written
            history.settle(run.run_id)
    ids = [run.run_id for run, _ in chosen]
    facts, steps = history.facts(ids), _by_run(history.steps(ids))
    return [
        _run(run, state, facts.get(run.run_id, RunFacts(run_id=run.run_id)), steps.get(run.run_id, ()))
        for run, state in chosen
    ]


def run_details(project: Project, ledger: Ledger, name: str = LAST) -> dict[str, Any]:
    """Return what one run did: as known_runs() has it, with its `steps`, `problems` and the `checks` that failed.

    Raises ConfigError for a run that the history does not have.
    """
    run = find_run(project, ledger, name)
    state = _state(run, under_way(project, ledger))
    history = History(ledger)
    steps = steps_now(ledger, run, is_under_way=state == UNDER_WAY)
    facts = history.facts([run.run_id]).get(run.run_id, RunFacts(run_id=run.run_id))
    checks = [check for check in history.checks([run.run_id]) if not check.passed]
    return {
        **_run(run, state, facts, steps),
        "steps": [_plain(step) for step in steps],
        "checks": [{key: value for key, value in vars(check).items() if key != "run_id"} for check in checks],
        "problems": [{"step": step, "message": text} for step, text in ledger.problems(run.run_id)],
        "summary": run.summary,
    }


def steps_now(ledger: Ledger, run: Run, *, is_under_way: bool) -> list[StepRow]:
    """Return the steps of a run in their order; of one under way, how far each has come and what it waits for."""
    if is_under_way and ledger.is_reading:
        # of a copy: nothing is written
        History(ledger).settle(run.run_id)
    return sorted(_blocked(History(ledger).steps([run.run_id])), key=_place)


def find_run(project: Project, ledger: Ledger, name: str) -> Run:
    """Return the run of this id, or that one whose id begins so; `last` is the one that began last.

    `failed` is the last one that failed or was killed. Raises ConfigError that says where else to look.
    """
    runs = ledger.runs()
    found = runs[:1] if name == LAST else [run for run in runs if run.run_id.startswith(name)]
    if name == LAST_FAILED:
        current = under_way(project, ledger)
        found = [run for run in runs if _state(run, current) not in _GOOD][:1]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{len(found):,} runs begin with {name}. Give more of the id; `etl runs` lists them.")
    if name == LAST:
        raise ConfigError("There was no run yet. To begin one: etl run")
    if name == LAST_FAILED:
        raise ConfigError("No run of the history failed. `etl runs` lists them.")
    record = read_record(project.generations / name)
    if record and record.origin:
        built = record.origin.get("built_in", record.origin["environment"])
        raise ConfigError(
            f"Run {name} was made in the environment {built}, and its generation was promoted from there. To see "
            f"it: ETL_ENV={shlex.quote(built)} etl show {name}"
        )
    begins = since(project, ledger)
    raise ConfigError(
        unknown(
            f"The history has no run {name}",
            name,
            [run.run_id for run in runs],
            begins or "`etl runs` lists them.",
        )
    )


def since(project: Project, ledger: Ledger) -> str:
    """Return since when the history goes back, if it had to begin again; else an empty text."""
    aside = damaged_path(project.ledger)
    if not aside.exists():
        return ""
    oldest = min((run.started_at for run in ledger.runs()), default="")
    begins = f"on {oldest[:10]}" if oldest else "with the next run"
    return f"The history begins {begins}: the ledger was damaged then, and was moved to {aside.name}."


def log_lines(project: Project, ledger: Ledger, run_id: str, step: str = "") -> Iterator[dict[str, Any]]:
    """Yield what a run said, line by line; of one `step`, if it is given, by what is done or by its table.

    What was said of several in one go, such as small models, is said of each of them. Raises ConfigError if there
    is no log of the run, or nothing in it of that step.
    """
    if not log_file(project, run_id).exists():
        raise ConfigError(
            f"There is no log of run {run_id}: it was made elsewhere or by an earlier etl, or the log is gone. "
            f"What the ledger knows: etl show {run_id}"
        )
    steps = set()
    known: dict[str, set[str]] = {}
    for row in History(ledger).steps([run_id]) if step else ():
        known.setdefault(row.step, set()).update((row.name, str(row.id)))
    for line in read_log(project, run_id):
        names = {line["step"], line["name"], f"{line['step']} {line['name']}".strip()}
        if not line["name"]:
            names |= known.get(line["step"], set())
        steps |= names
        if not step or step in names:
            yield line
    if step and step not in steps:
        raise ConfigError(unknown(f"The log of run {run_id} says nothing of {step}", step, steps - {""}))


def _blocked(steps: Sequence[StepRow]) -> Iterator[StepRow]:
    """Yield the steps, with what those that wait of a run under way wait for."""
    for step in steps:
        if step.outcome != WAITING:
            yield step
            continue
        before = [other for other in steps if other.outcome not in (DONE, KEPT) and _is_before(other, step)]
        named = few(f"{other.id} ({other.outcome or 'waits'})" for other in before)
        why = f"It waits for {named}." if before else "It is next."
        yield replace(step, message=why)


def _is_before(other: StepRow, step: StepRow) -> bool:
    """Return whether a step is done before another one; of models, that is known when the run is over."""
    is_earlier = _place(other)[0] < _place(step)[0]
    return is_earlier and (step.step not in ("extract", "load") or other.name == step.name)


def _by_run(steps: Iterable[StepRow]) -> Mapping[str, Sequence[StepRow]]:
    found: dict[str, list[StepRow]] = {}
    for step in steps:
        found.setdefault(step.run_id, []).append(step)
    return found


def _state(run: Run, current: Run | None) -> str:
    if run.outcome:
        return run.outcome
    return UNDER_WAY if current and current.run_id == run.run_id else "killed"


def _run(run: Run, state: str, facts: RunFacts, steps: Sequence[StepRow]) -> dict[str, Any]:
    """Return a run as plain data; its `seconds` go on while it is under way."""
    extracted = [step for step in steps if step.step == "extract"]
    known = {key: value for key, value in asdict(facts).items() if key != "run_id"}
    return {
        "run_id": run.run_id,
        "batch_date": run.batch_date,
        "state": state,
        "started_at": run.started_at,
        "finished_at": run.finished_at or None,
        **known,
        "seconds": _seconds(run, facts, state),
        "rows": _sum(step.rows_out for step in extracted),
        "rejected": _sum(step.rejected for step in extracted),
        "failed": [str(step.id) for step in steps if step.outcome == FAILED],
        "skipped": sum(step.outcome == SKIPPED for step in steps),
        "git_commit": run.git_commit,
        "versions": run.versions,
    }


def _seconds(run: Run, facts: RunFacts, state: str) -> float | None:
    if facts.seconds is not None:
        return facts.seconds
    end = datetime.now(UTC) if state == UNDER_WAY else datetime.fromisoformat(run.finished_at or run.started_at)
    return (end - datetime.fromisoformat(run.started_at)).total_seconds() if end else None


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _plain(step: StepRow) -> dict[str, Any]:
    return {key: value for key, value in vars(step).items() if key != "run_id"}


def _place(step: StepRow) -> tuple[int, str, str]:
    """Return where a step stands among those of its run: by what is done, then by when it began."""
    return (ORDER.index(step.step) if step.step in ORDER else len(ORDER), step.started_at or "~", step.name)
