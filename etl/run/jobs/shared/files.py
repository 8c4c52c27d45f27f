"""Which files a job reads, and which it may make, by their names in the folder of the data: the same for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from etl.project import Project
from etl.project.files import sha256
from etl.run.jobs.job import Job
from etl.run.jobs.making import parts_folder
from etl.run.jobs.part import PartJob
from etl.stages.lake.corrections import corrections_file
from etl.stages.lake.layout import partition_path, refused_base
from etl.stages.raw import File

#: The folder of a job's deliveries, as workers have it, and that of files that models are built to.
RAW, _PARTS = "raw", "parts"


class Given(NamedTuple):
    """A file that a job reads: how it is called, where it is here, and its hash."""

    name: str
    path: Path
    sha256: str
    #: The raw file that it is, which may be written to by others meanwhile.
    raw: File | None = None


def read_by(project: Project, job: Job | PartJob) -> Iterator[Given]:
    """Yield the files that a job reads, as far as they are there.

    Those of partitions that deliveries replace are among them: what is refused leaves them, and what is taken
    deletes them.
    """
    if isinstance(job, PartJob):
        for one in (file for table in job.tables for file in table.files):
            yield Given(one.path, project.data / one.path, one.sha256)
        return
    for delivery in job.deliveries:
        for raw in delivery.files:
            if raw.path.is_file():
                yield Given(f"{RAW}/{raw.name}", raw.path, raw.sha256 or sha256(raw.path), raw)
        if delivery.corrections:
            path = corrections_file(project, job.source, delivery.date)
            if path.is_file():
                yield Given(f"corrections/{path.parent.name}/{path.name}", path, sha256(path))
    for name, path in made_by(project, job).items():
        if path.is_file():
            yield Given(name, path, sha256(path))


def made_by(project: Project, job: Job | PartJob) -> Mapping[str, Path]:
    """Return the files that a job can make or delete, with their places in a project."""
    if isinstance(job, PartJob):
        return {f"{_PARTS}/{job.target}": parts_folder(project) / job.target}
    # in the order in which extraction puts them in place
    bases = {
        "quarantine": project.quarantine,
        "lake": project.lake,
        "quarantine/refused": refused_base(project),
    }
    return {
        partition_path(name, job.source, str(delivery.date)): Path(
            partition_path(str(base), job.source, str(delivery.date))
        )
        for delivery in job.deliveries
        for name, base in bases.items()
    }
