"""Where the files of the lake and of quarantine are, and what is in the latter; light to import."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from etl.project import Project
from etl.sources import Source

#: The columns of quarantine files and of the table etl.rejects.
REJECTS = {
    "source": "varchar",
    "date": "date",
    "file": "varchar",
    "line": "bigint",
    "rule": "varchar",
    "fault": "varchar",
    "column_name": "varchar",
    "message": "varchar",
    "text": "varchar",
    "raw": "blob",
    "discarded": "varchar",
    "run_id": "varchar",
}

#: What stands, in the message of a record whose partition is refused, between the reason and its own fault.
BESIDE = "; this record: "


def partition_file(base: Path, source: Source, day: date) -> Path:
    """Return the file of one partition below `base`, the lake or quarantine."""
    return base / source.name / f"{source.partition}={day}" / "data.parquet"


def refused_base(project: Project) -> Path:
    """Return where the records are that are refused while accepted rows stay; below it as in quarantine."""
    return project.quarantine / "refused"
