"""The side of the worker: a folder of its own with what a job reads, and what it made there, sent."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from etl.errors import EtlError
from etl.ledger import Receipt, stamp
from etl.project import CONFIG, Project, find_root, load_project
from etl.project.files import sha256
from etl.project.project import place_and_name
from etl.run.jobs.job import Answer, Job
from etl.run.jobs.part import PartAnswer, PartJob, facts_of
from etl.run.jobs.shared import cache
from etl.run.jobs.shared.files import RAW, made_by
from etl.run.jobs.shared.objects import Shared
from etl.run.jobs.shared.texts import SAME, Order, Reply
from etl.stages.lake.layout import partition_path
from etl.stages.raw import File, state

#: What does the text of a job, with the function that opens its project; and who does it, for messages.
Does = Callable[[str, Callable[[str], Project]], str]


def run_shared(order: Order, does: Does, worker: str) -> str:
    """Do the job of an order and return its reply. It raises nothing that is the fault of a file or the bucket."""
    folder = Path(tempfile.mkdtemp(prefix="etl-job-"))
    try:
        return _done(order, does, worker, folder).text
    except (EtlError, OSError) as error:
        return _refused(order, f"{worker} has no way to the files of its job: {error}").text
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        cache.tidy()


def _done(order: Order, does: Does, worker: str, folder: Path) -> Reply:
    shared, is_part = Shared(order.url, order.folder), facts_of(order.job) is not None
    # what is stamped needs files that nobody else has a link to
    receive = partial(cache.receive, shared) if is_part else shared.receive
    for name, hashed in order.files.items():
        if problem := receive(hashed, folder / name):
            said = f"{worker} was to read {name}: {problem} The next run sends it again."
            return _refused(order, said, hashed)
    opened = partial(_opened, folder)
    job = PartJob.of(facts_of(order.job) or {}) if is_part else _here(order.job, folder)
    try:
        targets = made_by(opened(job.project), job)
    except EtlError as error:
        return _refused(order, f"{worker} cannot open the project: {error}")
    before = {name: stamp(path) for name, path in targets.items()}
    answer = does(job.text, opened)
    made: dict[str, str | None] = {}
    for name, path in targets.items():
        if (now := stamp(path)) != before[name]:
            made[name] = sha256(path) if now else None
            if hashed := made[name] or "":
                shared.send(hashed, path)
    return Reply(number=order.number, answer=answer, made=made, folder=str(folder))


def _refused(order: Order, why: str, *spoiled: str) -> Reply:
    kind = Answer if facts_of(order.job) is None else PartAnswer
    return Reply(number=order.number, answer=kind(refused=why).text, spoiled=spoiled)


def _opened(folder: Path, identity: str) -> Project:
    """Return the project as this machine has it, with its data in a folder of the job.

    It is at the same path as that of the run, or else where this process looks for one, such as ETL_PROJECT.
    """
    root, environment = place_and_name(identity)
    if not os.path.isfile(Path(root) / CONFIG):
        root = str(find_root())
    # environments that were made, and not written down, are known where their data is
    found = load_project(root, environment, must_exist=False)
    settings = replace(found.settings, data=str(folder), raw=str(folder / RAW))
    return replace(found, settings=settings, fetching="")


def _here(text: str, folder: Path) -> Job:
    """Return a job with its deliveries, and partitions of before, as they are in a folder."""
    facts: dict[str, Any] = json.loads(text)
    job = Job.of(json.dumps({**facts, "root": str(folder / RAW)}))
    deliveries = [replace(delivery, files=tuple(map(_as_it_is, delivery.files))) for delivery in job.deliveries]
    before = {day: _stamped(folder, job, receipt) for day, receipt in job.before.items()}
    return replace(job, deliveries=deliveries, before=before)


def _as_it_is(file: File) -> File:
    """Return a raw file with the stamps of the one that was fetched; one that is not there stays as it was."""
    try:
        size, changed_ns, inode = state(file.path)
    except OSError:
        return file
    return replace(file, size=size, changed_ns=changed_ns, inode=inode)


def _stamped(folder: Path, job: Job, receipt: Receipt) -> Receipt:
    """Return a receipt of before with the stamps of the files that were fetched."""
    day = receipt.key.partition
    stamps = {
        base: stamp(partition_path(str(folder / base), job.source, day))
        for base in ("lake", "quarantine")
        if receipt.details.get(base) == SAME
    }
    return replace(receipt, details={**receipt.details, **stamps})
