"""Running a failed step again: in this process, on copies of what it was given, and of nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from etl.contract.masking import KEY_VARIABLE
from etl.errors import (
    ConfigError,
    Crash,
    EtlError,
    StepError,
    TransformError,
    few,
    printable_lines,
    sentence,
    traced,
)
from etl.ledger import FAILED, Check, Ledger, Run, now
from etl.ledger.keys import transform_key
from etl.operations.debug.bundles import Bundle
from etl.plan import Plan, make_plan
from etl.project import Project, load_project
from etl.project.files import copy_file, sha256
from etl.project.secret import scrubbed
from etl.run import steps
from etl.run.active import ActiveRun
from etl.run.explaining import explained
from etl.run.failures.deliveries import outline
from etl.run.failures.facts import restored_plan, scope_of
from etl.run.failures.kept import PROJECT
from etl.run.failures.masks import told
from etl.run.failures.records import Layout, reading
from etl.sources import Source
from etl.stages.warehouse import close_build
from etl.stages.warehouse.build import note_stamp

#: What stands in place of the key of a project's hashes, where nobody has it.
_KEY = "etl debug 0123456789"


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """What came of a step that was run again; `error` is how messages explain what it raised, if it did.

    `lacking` are inputs that are neither in the bundle nor where they were.
    """

    bundle: Bundle
    project: Project
    plan: Plan
    error: EtlError | None
    is_foreseen: bool
    lacking: list[str]

    @property
    def checks(self) -> Collection[Check]:
        """What the checks of an audit found."""
        return Ledger(self.project.ledger).checks().values()

    @property
    def is_reproduced(self) -> bool:
        """Whether it failed as it did then: with the same first line of its message."""
        places = [*self.bundle.facts["places"], str(self.project.data), str(self.project.root)]
        said = str(self.error or "")
        if said and not self.bundle.is_told:
            said = told(self.bundle.step, said)
        then, now = (_first(text, places) for text in (self.bundle.message, said))
        if self.bundle.is_reduced or self.bundle.is_tolerated:
            then, now = outline(then), outline(now)
        if not self.is_foreseen:
            # before it stands the task of the run
            return then.endswith(now)
        return then == now


def replay(bundle: Bundle) -> Replayed:
    """Run a failed step again; its copies stay in the folder `debug` of the bundle, to be looked at."""
    shutil.rmtree(bundle.work, ignore_errors=True)
    root = bundle.work / PROJECT
    try:
        shutil.copytree(bundle.project, root, symlinks=True, copy_function=_copied)
    except OSError as problem:
        raise ConfigError(
            f"{bundle.folder} cannot be worked in: {problem}. Copy the folder to where you may write."
        ) from problem
    project = _usual(root)
    lacking = [*_fetched(bundle, root)]
    # masked already: any key does
    os.environ[KEY_VARIABLE] = os.environ.get(KEY_VARIABLE) or _KEY
    run = _run(bundle, project)
    error: EtlError | None = None
    is_foreseen = True
    try:
        _DOERS[bundle.step](run, bundle)
    except Exception as raised:
        traced(raised)
        error = explained(raised, run)
        is_foreseen = error is not None
        error = error or Crash(f"{type(raised).__name__}: {sentence(str(raised))}")
    finally:
        close_build(project)
    return Replayed(
        bundle=bundle, project=project, plan=run.plan, error=error, is_foreseen=is_foreseen, lacking=lacking
    )


def _usual(root: Path) -> Project:
    """Return the project of a bundle, whatever environment this process works in."""
    known = load_project(root, must_exist=False)
    return load_project(root, known.settings.environment)


def _fetched(bundle: Bundle, root: Path) -> list[str]:
    """Copy inputs that are not in the bundle from where they were, if they are the same; return what lacks."""
    lacking = []
    for item in bundle.facts["inputs"]:
        path, target = Path(item["path"]), root / item["name"]
        if target.exists():
            continue
        if path.is_file() and item["sha256"] and sha256(path) == item["sha256"]:
            target.parent.mkdir(parents=True, exist_ok=True)
            copy_file(path, target)
        else:
            lacking.append(f"{path} ({item['kept']})")
    return lacking


def _run(bundle: Bundle, project: Project) -> ActiveRun:
    """Return the run that the step belonged to, with a ledger that holds what the step found in it."""
    facts = bundle.facts
    run_id, kept = facts["run_id"], project.ledger.with_suffix(".kept")
    # what has receipts without files would seem to be lost: a plan of the code alone takes what it is told
    project.ledger.rename(kept)
    plan = make_plan(project, Ledger(project.ledger), scope_of(facts["plan"]), run_id)
    for suffix in ("", "-wal", "-shm"):
        project.ledger.with_name(project.ledger.name + suffix).unlink(missing_ok=True)
    kept.rename(project.ledger)
    ledger = Ledger(project.ledger)
    plan = restored_plan(plan, facts["plan"], ledger.receipts())
    if bundle.is_tolerated and bundle.step == "extract":
        sources = {name: _strict(source) for name, source in plan.catalog.sources.items()}
        plan = replace(plan, catalog=replace(plan.catalog, sources=sources))
    if layouts := {str(project.root / item["name"]): Layout.of(item["layout"]) for item in bundle.reduced}:
        sources = {name: reading(source, layouts) for name, source in plan.catalog.sources.items()}
        plan = replace(plan, catalog=replace(plan.catalog, sources=sources))
    if project.build.exists():
        note_stamp(project, ledger, run_id)
    row = Run(run_id, facts["batch_date"], now(), git_commit=facts["git_commit"], versions=dict(facts["versions"]))
    return ActiveRun(project=project, ledger=ledger, plan=plan, row=row, lock=-1, pid=os.getpid())


def _strict(source: Source) -> Source:
    """Return a source of which a refused delivery is an error."""
    strict = copy(source)
    strict.optional = False
    return strict


def _copied(source: str, target: str) -> None:
    copy_file(Path(source), Path(target))


def _first(text: str, places: list[str]) -> str:
    """Return the first line of a message, wherever the files lie that it names."""
    text = printable_lines(scrubbed(text))
    for place in sorted(filter(None, places), key=len, reverse=True):
        text = text.replace(place, "")
    return text.split("\n")[0]


def _transform(run: ActiveRun, bundle: Bundle) -> None:
    steps.transform(run, [bundle.name])
    receipt = run.ledger.receipt(transform_key(bundle.name))
    if receipt and receipt.outcome == FAILED:
        raise TransformError(receipt.details["failed"])


def _extract(run: ActiveRun, bundle: Bundle) -> None:
    there = [day for day in bundle.dates if all(f.path.is_file() for f in run.plan.held[bundle.name][day].files)]
    if not there:
        files = [file.name for day in bundle.dates for file in run.plan.held[bundle.name][day].files]
        raise StepError(f"None of these is here: {few(files)}.")
    steps.extract(run, bundle.name, there)


#: What does each kind of step.
_DOERS: Mapping[str, Any] = {
    "extract": _extract,
    "load": lambda run, bundle: steps.load(run, [bundle.name]),
    "transform": _transform,
    "audit": lambda run, bundle: steps.audit(run),
    "publish": lambda run, bundle: steps.publish(run),
}
