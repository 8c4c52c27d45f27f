"""Doing a job, in whatever process: it opens the folders of the project, and no ledger of it."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from etl.errors import Crash, EtlError, StepError, traced
from etl.ledger import Ledger
from etl.project import Project, load_project
from etl.run.jobs.alike import differences, facts, machine
from etl.run.jobs.job import Answer, Job
from etl.run.jobs.making import as_text, changed_input, make_part
from etl.run.jobs.part import PartAnswer, PartJob, facts_of
from etl.run.jobs.shared import run_shared
from etl.run.jobs.shared.texts import Order
from etl.stages import lake


def run_job(text: str) -> str:
    """Do a job and return its answer. It raises nothing that is the fault of a delivery, or of the worker.

    What it puts in place is the same, byte for byte, whoever does it and however often; it writes no receipt. What
    an order of it makes is sent, and put in place by the run.
    """
    order = Order.of(text)
    return run_shared(order, _answer, _named()) if order else _answer(text, load_project)


def _answer(text: str, opened: Callable[[str], Project]) -> str:
    """Do a job in the project that `opened` makes of its identity."""
    if part := facts_of(text):
        return _made(PartJob.of(part), opened).text
    job = Job.of(text)
    try:
        project = opened(job.project)
        there = facts(project, job.source, job.deliveries)
    except EtlError as error:
        return Answer(refused=f"{_named()} cannot open the project: {error}").text
    if found := differences(job.worker, there):
        return Answer(refused=f"{_named()} is not like the run's own process: {'; '.join(found)}.").text
    return _taken(_apart(project, job.memory_limit), job).text


def _made(job: PartJob, opened: Callable[[str], Project]) -> PartAnswer:
    """Build partitions of a model; whatever is wrong with them is said in the answer."""
    try:
        project = opened(job.project)
        there = machine(project)
    except EtlError as error:
        return PartAnswer(refused=f"{_named()} cannot open the project: {error}")
    if found := differences(job.worker, there):
        return PartAnswer(refused=f"{_named()} is not like the run's own process: {'; '.join(found)}.")
    if changed := changed_input(project, job):
        return PartAnswer(refused=f"{_named()} does not see the same files: {changed}.")
    aside = _apart(project, job.memory_limit)
    try:
        return make_part(project, aside, job)
    except Exception as error:
        # also what is not etl's own, which would be the host's to explain
        return PartAnswer(problem=as_text(error))
    finally:
        shutil.rmtree(aside.scratch, ignore_errors=True)


def _taken(project: Project, job: Job) -> Answer:
    """Take the deliveries of a job; the ledger that they are noted in is of use to nobody else."""
    folder = Path(tempfile.mkdtemp(prefix="etl-job-"))
    ledger = Ledger(folder / "ledger.sqlite")
    try:
        take = partial(lake.extract, project, job.source, job.deliveries, job.content, ledger)
        return Answer(receipts=take(job.run_id, job.before, is_forced=job.is_forced))
    except Exception as error:
        # also what is not etl's own, which would be the host's to explain
        return Answer(
            receipts=list(ledger.receipts().values()),
            problems=list(getattr(error, "parts", ())) or [_said(error)],
            traces=[traced(error)],
            has_crashed=isinstance(error, Crash) or not isinstance(error, EtlError | OSError),
        )
    finally:
        ledger.close()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(project.scratch, ignore_errors=True)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, StepError) else f"{type(error).__name__}: {error}"


def _apart(project: Project, memory_limit: str) -> Project:
    """Return the project with its own place for half-written files: the same job may be done twice at once."""
    found = replace(project, settings=replace(project.settings, memory_limit=memory_limit))
    name = f"job-{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    found.__dict__["scratch"] = project.scratch / name
    return found


def _named() -> str:
    return f"The worker {os.getpid()} on {socket.gethostname()}"
