"""What a generation says of the files beside it that its raw views read."""

from __future__ import annotations

import json
import os
from pathlib import Path

from etl.project.others import RAW
from etl.stages.published.artefacts import have_sizes

_MANIFEST = "raw.json"


def raw_manifest(generation: Path) -> Path:
    """Return the file in which a generation says what its raw views read."""
    return generation / _MANIFEST


def write_raw(generation: Path, folder: Path) -> Path:
    """Write down the files in the folders below one of a new generation; return what was written."""
    sizes: dict[str, int] = {}
    for below in sorted(path for path in folder.iterdir() if path.is_dir()):
        with os.scandir(below) as entries:
            found = {entry.name: entry.stat().st_size for entry in entries}
        name = below.relative_to(generation)
        sizes |= {f"{name}/{file}": found[file] for file in sorted(found)}
    manifest = raw_manifest(generation)
    manifest.write_text(json.dumps(sizes), encoding="utf-8")
    return manifest


def read_raw(generation: Path) -> dict[str, int]:
    """Return the files that raw views of a generation read, by their paths in its folder, with their bytes."""
    try:
        text = raw_manifest(generation).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {str(name): int(size) for name, size in json.loads(text).items()}


def is_raw_whole(generation: Path) -> bool:
    """Return whether every file that raw views of a generation read is there, and as long as it was."""
    return have_sizes(generation, read_raw(generation))


def has_raw(generation: Path) -> bool:
    """Return whether raw views of a generation read files beside it."""
    return (generation / RAW).is_dir()
