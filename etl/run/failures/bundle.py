"""Writing what a failed step leaves: aside, then in one rename, and never in the way of the run."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from configparser import ConfigParser
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from etl.errors import EtlError, printable_lines, traced
from etl.ledger import Key, Receipt
from etl.ledger.history import StepId
from etl.ledger.keys import extract_key
from etl.project import Project
from etl.project.files import private
from etl.project.project import CONFIG
from etl.project.secret import scrubbed
from etl.project.settings import VARIABLES, Settings
from etl.run.failures import texts
from etl.run.failures.facts import facts_of
from etl.run.failures.inputs import Inputs, copy_folder, project_folders
from etl.run.failures.kept import FACTS, PROJECT
from etl.run.failures.masks import mask_seeds, told
from etl.run.recording import Doing
from etl.stages.warehouse import close_build

if TYPE_CHECKING:
    from etl.run.active import ActiveRun

log = logging.getLogger("etl")

#: What a newer etl raises when it writes what an older one would misread.
VERSION = 1
#: Of one run, so many failed steps leave something: forty models can fail for one cause.
_MOST = 10
#: A bundle takes no more than this share of the room on the disk.
_SHARE = 4
_MEGABYTE = 1_000_000
#: The settings that a bundle does not take along: where things are, and what only a night does.
_LEFT_OUT = ("contracts", "sql", "data", "raw", "report", "metrics", "approvals", "umask", "failure_megabytes")


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """One step that failed, and why; `reason` is what was said of it alone."""

    run: ActiveRun
    doing: Doing
    step: StepId
    reason: str
    error: Exception
    cause: BaseException
    #: Of what is optional, and went on: the partitions that failed.
    tolerated: Sequence[date] | None = None

    @property
    def receipts(self) -> dict[Key, Receipt]:
        """What the step found in the ledger."""
        return {**self.doing.receipts, **self.run.ledger.receipts()}


def keep_bundles(
    run: ActiveRun, doing: Doing, failed: Mapping[StepId, str], error: Exception, cause: BaseException
) -> None:
    """Keep, of each step that failed, what it takes to run it again; what cannot be kept is said in the log.

    `error` is what is said of all of them, `cause` what they raised.
    """
    for step, reason in failed.items() if run.project.settings.failure_megabytes else ():
        _kept(_Failure(run=run, doing=doing, step=step, reason=reason, error=error, cause=cause))


def keep_tolerated(run: ActiveRun, doing: Doing, key: Key, error: EtlError) -> None:
    """Keep what it takes to run an optional source or model again, which failed while the run went on."""
    days = [date.fromisoformat(key.partition)] if key.partition else []
    step = StepId(key.step, key.name)
    of = _Failure(run=run, doing=doing, step=step, reason=str(error), error=error, cause=error, tolerated=days)
    if run.project.settings.failure_megabytes:
        _kept(of)


def _kept(of: _Failure) -> None:
    try:
        if folder := _keep(of):
            log.info("kept what %s was given: etl debug %s", of.step, _short(of.run.project, folder))
    except Exception as problem:
        # without its own text, which can quote personal data
        log.warning("warning: what %s was given could not be kept: %s", of.step, type(problem).__name__)


def _keep(of: _Failure) -> Path | None:
    project, run_id = of.run.project, of.run.plan.run_id
    above = project.failures / run_id
    if above.is_dir() and len(os.listdir(above)) >= _MOST:
        return None
    aside = private(project.scratch) / f"failure-{uuid4().hex}"
    try:
        aside.mkdir(mode=0o700)
        _write(of, aside)
        private(project.failures)
        private(above)
        target = _free(above, "-".join(filter(None, of.step)))
        os.rename(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _free(folder: Path, name: str) -> Path:
    """Return a path that is not taken: a source can fail in two processes at once."""
    number, path = 1, folder / name
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}"
    return path


def _write(of: _Failure, folder: Path) -> None:
    plan, (step, name) = of.run.plan, of.step
    if step != "extract":
        # what a connection still has in memory is in the file then
        close_build(plan.project)
    places = _write_project(plan.project, dict_of_folders(of), folder / PROJECT)
    free = shutil.disk_usage(plan.project.data).free // _SHARE
    budget = min(plan.project.settings.failure_megabytes * _MEGABYTE, free)
    inputs = Inputs(plan, folder / PROJECT, budget, of.reason)
    dates = of.tolerated
    if dates is None:
        dates = [day for day in of.doing.dates if not _is_done(of, extract_key(name, day))]
    _KEEPERS[step](inputs, _Asked(of, name, dates))
    inputs.ledger(of.run.ledger, of.receipts)
    mask_seeds(folder / PROJECT / list(places)[1], inputs.unmasked, inputs.masks)
    facts = {
        "version": VERSION,
        "run_id": plan.run_id,
        "batch_date": str(plan.scope.last),
        "step": step,
        "name": name,
        "dates": list(map(str, dates)),
        "failed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "error": {
            "kind": type(of.error).__name__,
            "message": printable_lines(told(step, of.reason) if inputs.is_personal else of.reason),
            "is_told": not inputs.is_personal,
            "is_tolerated": of.tolerated is not None,
        },
        "places": [str(place) for place in (plan.project.data, plan.project.root)],
        "versions": dict(of.run.row.versions) or texts.versions_here(),
        "git_commit": of.run.row.git_commit,
        "environment": sorted(os.environ),
        "code": places,
        "inputs": inputs.facts,
        "plan": facts_of(plan, inputs.corrections),
    }
    traces = of.error.traces if isinstance(of.error, EtlError) else {}
    texts.write_texts(folder, facts, plan, traces.get(name) or traced(of.cause), inputs.unmasked)
    _write_text(folder / FACTS, json.dumps(facts, ensure_ascii=False, indent=1))


@dataclass(frozen=True)
class _Asked:
    """What is to be kept of."""

    of: _Failure
    name: str
    dates: Sequence[date]

    @property
    def queries(self) -> list[str]:
        """The SELECTs of the checks that this run found failing."""
        ledger, run_id = self.of.run.ledger, self.of.run.plan.run_id
        failed = [check for check in ledger.checks().values() if check.run_id == run_id and not check.passed]
        found = (ledger.offending(check.name).query for check in failed if check.severity == "error")
        return [query for query in found if query]


def _is_done(of: _Failure, key: Key) -> bool:
    receipt = of.run.ledger.receipt(key)
    return receipt is not None and receipt.run_id == of.run.plan.run_id


def dict_of_folders(of: _Failure) -> dict[str, Path]:
    """Return the folders of code by their places in the project of a bundle."""
    return {said: folder for folder, said in project_folders(of.run.plan)}


def _write_project(project: Project, folders: Mapping[str, Path], root: Path) -> dict[str, str]:
    """Write a luigi.cfg, and the code; return where that lay."""
    for said, folder in folders.items():
        copy_folder(folder, root / said)
        for path in (root / said).rglob("*"):
            # a command may run files of any kind
            if path.is_file():
                _scrub(path)
    (root / "data").mkdir(parents=True)
    contracts, sql, *_ = folders
    parser = ConfigParser(interpolation=None)
    defaults, mine = Settings(), project.settings
    values = {item.name: getattr(mine, item.name) for item in fields(Settings) if item.name not in _LEFT_OUT}
    chosen = {name: str(value) for name, value in values.items() if value != getattr(defaults, name)}
    parser["etl"] = {
        **chosen,
        "contracts": contracts,
        "sql": sql,
        "environment": project.environment_name,
        "failure_megabytes": "0",
        "retries": "0",
    }
    parser[VARIABLES] = dict(project.variables)
    with (root / CONFIG).open("w", encoding="utf-8") as file:
        parser.write(file)
    _scrub(root / CONFIG)
    return {said: str(folder) for said, folder in folders.items()}


def _scrub(path: Path) -> None:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    if (hidden := scrubbed(text)) != text:
        path.write_text(hidden, encoding="utf-8", errors="surrogateescape")


def _write_text(path: Path, text: str) -> None:
    path.write_text(scrubbed(text), encoding="utf-8", errors="backslashreplace")


def _short(project: Project, folder: Path) -> str:
    return str(folder.relative_to(project.root) if folder.is_relative_to(project.root) else folder)


def _publish(inputs: Inputs, asked: _Asked) -> None:
    inputs.build()
    inputs.published()


#: What each kind of step is given.
_KEEPERS: Mapping[str, Callable[[Inputs, _Asked], object]] = {
    "extract": lambda inputs, asked: inputs.extract(asked.name, asked.dates, asked.of.receipts),
    "load": lambda inputs, asked: inputs.load(asked.name, asked.of.receipts),
    "transform": lambda inputs, asked: inputs.transform(asked.name),
    "audit": lambda inputs, asked: inputs.build(asked.queries),
    "publish": _publish,
}
