"""Giving jobs to the executor of a project, with their files if its workers see no folders of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from etl.ledger import Ledger
from etl.project import Project
from etl.run.jobs.hosts import host_of
from etl.run.jobs.job import Job
from etl.run.jobs.part import PartJob


def answers(project: Project, ledger: Ledger, jobs: Sequence[Job | PartJob]) -> Iterator[str]:
    """Yield the answer of each job as it comes, when what it made is in place, in any order.

    Raises StepError if one cannot be had.
    """
    host = host_of(project.settings.executor)
    if not project.settings.shared_lake:
        yield from host.run([job.text for job in jobs])
        return
    from etl.run.jobs.shared import Sending

    sending = Sending(project, ledger, jobs)
    for text in host.run(list(sending.orders())):
        yield sending.answer(text)
