"""Where the files of the lake and of quarantine are, and what is in the latter; light to import."""

from __future__ import annotations

import os
import re
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

#: The files that etl makes in the folder of a partition.
_OWN = re.compile(r"\.?data\.parquet(\.new)?")

#: What stands, in the message of a record whose partition is refused, between the reason and its own fault.
BESIDE = "; this record: "


def partition_file(base: Path, source: Source, day: date) -> Path:
    """Return the file of one partition below `base`, the lake or quarantine."""
    return Path(partition_path(str(base), source, str(day)))


def partition_path(base: str, source: Source, day: str) -> str:
    """Return what partition_file() does as a text: to make a path of it costs more than to look at the file."""
    return f"{base}/{source.name}/{source.partition}={day}/data.parquet"


def refused_base(project: Project) -> Path:
    """Return where the records are that are refused while accepted rows stay; below it as in quarantine."""
    return project.quarantine / "refused"


def partition_folders(project: Project, name: str) -> list[Path]:
    """Return the folders of partitions, of a source or of what was one, in the lake and in quarantine."""
    bases = (project.lake, project.quarantine, refused_base(project))
    return [folder for base in bases for folder in sorted((base / name).glob("*=*"))]


def delete_partition(folder: Path) -> None:
    """Delete what etl made in the folder of a partition, if there is any; the folder too, if it is empty then.

    Nothing is deleted through a link.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    for name in os.listdir(folder):
        if _OWN.fullmatch(name):
            os.unlink(folder / name)
    if not os.listdir(folder):
        folder.rmdir()
