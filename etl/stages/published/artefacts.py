"""Models that are too large for a row: each generation has the files that its rows name, by hard links."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import PublishError, few
from etl.project.files import flush, make_read_only
from etl.project.project import ARTEFACTS

if TYPE_CHECKING:
    import duckdb

    from etl.project import Project

_MANIFEST = f"{ARTEFACTS}.json"


def read_artefacts(generation: Path) -> dict[str, int]:
    """Return the files of a generation's large models, by their paths in its folder, with their sizes in bytes."""
    try:
        text = (generation / _MANIFEST).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return {f"{ARTEFACTS}/{name}": int(size) for name, size in json.loads(text).items()}


def artefacts_manifest(generation: Path) -> Path:
    """Return the file in which a generation says which these are."""
    return generation / _MANIFEST


def are_artefacts_whole(generation: Path) -> bool:
    """Return whether every file of a generation's large models is there, and as long as it was."""
    return have_sizes(generation, read_artefacts(generation))


def have_sizes(folder: Path, sizes: Mapping[str, int]) -> bool:
    """Return whether files in a folder are there and so long, in bytes."""
    return all(_size(folder / name) == size for name, size in sizes.items())


def shelve(project: Project, con: duckdb.DuckDBPyConnection, generation: Path) -> None:
    """Give a generation that is being made the files that the build names. Raises PublishError for one gone."""
    from etl.stages.warehouse.shelved import bring, named_files, tidy

    tidy(project, con)
    names = named_files(con)
    if lacking := bring(names, generation / ARTEFACTS, [project.artefacts]):
        raise PublishError(
            f"{project.artefacts} lacks the file of a model that a table names: {few(lacking)}. No generation has "
            "it. Restore it. To train that model again instead, type `etl clear ml.NAME_trained`, then `etl run`."
        )
    if names:
        sizes = {name: (generation / ARTEFACTS / name).stat().st_size for name in sorted(names)}
        manifest = artefacts_manifest(generation)
        manifest.write_text(json.dumps(sizes), encoding="utf-8")
        make_read_only(manifest)
        flush(manifest)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return -1
