"""The side of the run: it sends what jobs read, and puts in place what they made."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from etl.errors import StepError
from etl.ledger import Ledger, Receipt, stamp
from etl.project import Project
from etl.project.files import flush_together, put
from etl.run.jobs.job import Answer, Job
from etl.run.jobs.part import PartJob
from etl.run.jobs.shared.files import RAW, Given, made_by, read_by
from etl.run.jobs.shared.forgetting import note_used
from etl.run.jobs.shared.objects import Shared
from etl.run.jobs.shared.texts import SAME, Order, Reply
from etl.stages.lake.layout import delete_partition, partition_path
from etl.stages.raw import state


@dataclass
class Sending:
    """Jobs whose files are objects, while they are done."""

    project: Project
    ledger: Ledger
    jobs: Sequence[Job | PartJob]
    #: The objects that are there, with their sizes.
    there: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.shared = Shared.of(self.project, self.ledger)
        self._url = self.project.settings.executor

    def orders(self) -> Iterator[str]:
        """Yield the text of each job, when all that it reads is there; what was there is not sent again."""
        note_used(self.project, self.ledger)
        self.there = dict(self.shared.there())
        for number, job in enumerate(self.jobs):
            files = {given.name: given.sha256 for given in read_by(self.project, job) if self._sent(given)}
            text = job.text if isinstance(job, PartJob) else self._text(job)
            order = Order(url=self.shared.url, folder=self.shared.folder, files=files, job=text, number=number)
            yield order.text

    def answer(self, text: str) -> str:
        """Return the answer of a job, when what it made is in place.

        Raises StepError, with nothing of it in place, if an object is not what the worker has sent.
        """
        reply = Reply.of(text)
        self.shared.delete(reply.spoiled)
        job = self.jobs[reply.number]
        self._place(job, reply.made)
        # as part of a JSON text: messages name files where the worker had them
        there, here = (json.dumps(folder)[1:-1] for folder in (reply.folder, str(self.project.data)))
        answer = reply.answer.replace(there, here) if there else reply.answer
        return answer if isinstance(job, PartJob) else self._as_they_are_here(job, answer)

    def _sent(self, given: Given) -> bool:
        """Make an object of a file, unless it is there; return whether it is.

        Of a raw file that was written to meanwhile there is none, and the worker says of it that it is gone.
        """
        try:
            size = given.path.stat().st_size
            if self.there.get(given.sha256) == size:
                return True
            self.shared.send(given.sha256, given.path)
            is_same = given.raw is None or (given.raw.name, *state(given.path)) == given.raw.stat_key
        except (OSError, StepError):
            if given.path.is_file():
                raise
            return False
        if is_same:
            self.there[given.sha256] = size
        else:
            self.shared.delete([given.sha256])
        return is_same

    def _text(self, job: Job) -> str:
        """Return the text of a job whose deliveries, and partitions of before, are where a worker puts them."""
        before = {day: self._with_marks(job, receipt) for day, receipt in job.before.items()}
        facts = json.loads(replace(job, before=before).text)
        return json.dumps({**facts, "root": RAW})

    def _with_marks(self, job: Job, receipt: Receipt) -> Receipt:
        """Return a receipt that says which files are there as it knows them: elsewhere they have other stamps."""
        marks = {
            base: SAME
            for base in ("lake", "quarantine")
            if receipt.details.get(base)
            and receipt.details[base] == stamp(self._file(job, base, receipt.key.partition))
        }
        return replace(receipt, details={**receipt.details, **marks})

    def _file(self, job: Job, base: str, day: str) -> str:
        return partition_path(str(self.project.data / base), job.source, day)

    def _as_they_are_here(self, job: Job, text: str) -> str:
        """Return an answer whose receipts of partitions that stay have the stamps that these had before."""
        answer = Answer.of(text)
        receipts = []
        for receipt in answer.receipts:
            known = job.before.get(date.fromisoformat(receipt.key.partition))
            stamps: dict[str, Any] = {
                base: known.details[base] for base in ("lake", "quarantine") if known and base in known.details
            }
            kept = receipt.outcome == "kept"
            receipts.append(replace(receipt, details={**receipt.details, **stamps}) if kept else receipt)
        return replace(answer, receipts=receipts).text

    def _place(self, job: Job | PartJob, made: Mapping[str, str | None]) -> None:
        """Fetch all that a job made, and then put it in place; delete what it deleted."""
        targets = made_by(self.project, job)
        if strange := sorted(made.keys() - targets.keys()):
            raise StepError(f"{self._url}: a worker made {strange[0]}, which was not its job.")
        aside = self.project.scratch / f"shared-{os.getpid()}"
        try:
            written = self._received({name: hashed for name, hashed in made.items() if hashed}, aside)
            flush_together(list(written.values()))
            for name, target in targets.items():
                if name in written:
                    put(written[name], target, is_flushed=True)
                elif name in made:
                    delete_partition(target.parent)
            folders = {folder for name in written for folder in _new(targets[name].parent, self.project.data)}
            flush_together(sorted(folders))
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _received(self, made: Mapping[str, str], aside: Path) -> dict[str, Path]:
        """Return a file of each object that a worker sent. Raises StepError for one that is something else."""
        written = {name: aside / f"{number}.parquet" for number, name in enumerate(made)}
        for name, hashed in made.items():
            if problem := self.shared.receive(hashed, written[name]):
                raise StepError(
                    f"A worker of {self._url} has sent {name}: {problem} Nothing of its job is taken. Run again: "
                    "it is made again."
                )
        return written


def _new(folder: Path, data: Path) -> Iterator[Path]:
    """Yield a folder and those above it, up to that of the data, which may all be new."""
    while folder != data and folder.is_relative_to(data):
        yield folder
        folder = folder.parent
    yield data
