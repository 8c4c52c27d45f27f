"""Extraction by jobs: deliveries are handed out, and the receipts that come back are written here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Protocol, TypeVar

from etl.errors import StepError
from etl.ledger import Ledger, Receipt, stamp
from etl.project import Project
from etl.run.jobs import giving
from etl.run.jobs.alike import facts
from etl.run.jobs.job import Answer, Job
from etl.run.jobs.witness import testify
from etl.sources import Source
from etl.stages import lake
from etl.stages.lake.in_time import failure, in_time
from etl.stages.raw import Delivery


class Sized(Protocol):
    """A delivery, or a partition of a model: its date, and the bytes that it is made from."""

    @property
    def date(self) -> date: ...

    @property
    def size(self) -> int: ...


_Sized = TypeVar("_Sized", bound=Sized)

#: So much one job takes at the most, if it has more than one delivery: a month of small days, and one large file.
_DELIVERIES, _BYTES = 31, 256 << 20


def extract(
    project: Project,
    source: Source,
    deliveries: Sequence[Delivery],
    content: Mapping[date, str],
    ledger: Ledger,
    run_id: str,
    before: Mapping[date, Receipt] = MappingProxyType({}),
    *,
    is_forced: bool = False,
) -> list[Receipt]:
    """Do what lake.extract() does, by jobs of the project's executor; one partition is done here too.

    Raises StepError if the executor or a worker is not as it must be, or the partition comes out as another one
    here: then the receipts of all that was handed out are forgotten.
    """
    receipts: list[Receipt] = []
    answers: list[Answer] = []
    alike = facts(project, source, deliveries)
    jobs = [
        Job(
            project=project.identity,
            source=source,
            deliveries=given,
            content={delivery.date: content[delivery.date] for delivery in given},
            run_id=run_id,
            before={day: receipt for day, receipt in before.items() if any(d.date == day for d in given)},
            is_forced=is_forced,
            worker=alike,
            memory_limit=share(project),
        )
        for given in divided(deliveries)
    ]
    with in_time(source, deliveries, lambda: receipts):
        for text in giving.answers(project, ledger, jobs):
            answers.append(Answer.of(text))
            if answers[-1].refused:
                raise StepError(f"{project.settings.executor}: {answers[-1].refused} Nothing it made is taken.")
            new = [_as_it_is_here(project, source, receipt) for receipt in answers[-1].receipts]
            ledger.write(*new)
            receipts += new
    try:
        testify(project, source, deliveries, receipts, before)
    except StepError:
        ledger.forget(receipt.key for receipt in receipts)
        raise
    if problems := [problem for answer in answers for problem in answer.problems]:
        traces = [text for answer in answers for text in answer.traces]
        raise failure(source, problems, traces, has_crashed=any(answer.has_crashed for answer in answers))
    return receipts


def divided(deliveries: Sequence[_Sized]) -> Iterator[list[_Sized]]:
    """Yield the deliveries of each job: those that follow one another, up to so many, and so many bytes."""
    part: list[_Sized] = []
    for delivery in sorted(deliveries, key=lambda delivery: delivery.date):
        if part and (len(part) == _DELIVERIES or sum(d.size for d in part) + delivery.size > _BYTES):
            yield part
            part = []
        part.append(delivery)
    if part:
        yield part


def share(project: Project) -> str:
    """Return the memory that DuckDB may have in each worker; processes of one machine share it."""
    settings = project.settings
    if settings.memory_limit or not settings.executor.startswith("processes:"):
        return settings.memory_limit
    return f"{80 // int(settings.executor.rpartition('/')[2])}%"


def _as_it_is_here(project: Project, source: Source, receipt: Receipt) -> Receipt:
    """Return a receipt with the stamps that its files have as this machine sees them."""
    if receipt.outcome == "kept":
        return receipt
    day = date.fromisoformat(receipt.key.partition)
    bases = (project.lake, project.quarantine)
    stamps = {base.name: stamp(lake.partition_file(base, source, day)) for base in bases}
    return replace(receipt, details={**receipt.details, **stamps})
