"""What a generation says of its exports: their files, and the version of the rows in each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_FILE = "exports.json"


@dataclass(frozen=True)
class Exported:
    """One table as it was exported: `definition` is all but its rows, `version` stands for all of those."""

    definition: str
    version: str
    #: The version of each file, by its path below the folder of the table.
    files: Mapping[str, str]


def read_manifest(generation: Path) -> dict[str, Exported]:
    """Return the exports of a generation by table; none if it has none, or is not there."""
    try:
        text = (generation / _FILE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {table: Exported(**facts) for table, facts in json.loads(text).items()}


def write_manifest(generation: Path, exports: Mapping[str, Exported]) -> Path | None:
    """Write down the exports of a generation; return the file, or None if there are none."""
    if not exports:
        return None
    text = json.dumps({table: asdict(exported) for table, exported in exports.items()})
    (generation / _FILE).write_text(text, encoding="utf-8")
    return generation / _FILE
